//! A real browser: Debian's Chromium through its own driver, one fresh profile per test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities;
use thirtyfour::prelude::*;

/// Longest wait for something to appear, and how often to look.
const APPEARS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The colours of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Light.
    Day,
    /// Dark.
    Dusk,
}

impl Theme {
    /// As CSS names it.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Day => "light",
            Self::Dusk => "dark",
        }
    }
}

/// A browser with one page. Close it with [`Browser::close`], which checks that the page never complained.
pub struct Browser {
    /// The page.
    pub page: WebDriver,
    driver: Child,
}

impl Browser {
    /// Opens an address in a window of this size.
    ///
    /// # Errors
    /// When chromedriver or Chromium cannot be started.
    pub async fn open(url: &str, theme: Theme, width: u32, height: u32) -> Result<Self> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start chromedriver (Debian package chromium-driver)")?;
        let stdout = BufReader::new(driver.stdout.take().context("no stdout")?);
        let port = stdout
            .lines()
            .map_while(std::io::Result::ok)
            .find_map(|line| {
                line.contains("started successfully").then(|| {
                    line.rsplit(' ')
                        .next()
                        .unwrap_or_default()
                        .trim_end_matches('.')
                        .to_owned()
                })
            });
        let port = port.context("chromedriver did not say which port it listens on")?;
        let mut wants = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
        ] {
            wants.add_arg(argument)?;
        }
        wants.add_arg(&format!("--window-size={width},{height}"))?;
        wants.set_browser_log_level(thirtyfour::LoggingPrefsLogLevel::All)?;
        let page = match WebDriver::new(format!("http://127.0.0.1:{port}"), wants).await {
            Ok(page) => page,
            Err(error) => {
                let _ = driver.kill();
                let _ = driver.wait();
                return Err(error.into());
            }
        };
        let browser = Self { page, driver };
        let features = json!([{"name": "prefers-color-scheme", "value": theme.scheme()}]);
        browser
            .devtools("Emulation.setEmulatedMedia", json!({"features": features}))
            .await?;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        browser
            .devtools("Emulation.setDeviceMetricsOverride", size)
            .await?;
        browser.page.goto(url).await?;
        Ok(browser)
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        Ok(self.page.cdp().send_raw(command, parameters).await?)
    }

    /// The first element that matches, once it is there.
    ///
    /// # Errors
    /// When none appears.
    pub async fn find(&self, css: &str) -> Result<WebElement> {
        let query = self
            .page
            .query(By::Css(css))
            .wait(APPEARS_WITHIN, LOOK_EVERY);
        match query.first().await {
            Ok(element) => Ok(element),
            Err(_) => {
                let text = self.page.find(By::Css("body")).await?.text().await?;
                bail!(
                    "nothing on the page matches {css}; it reads:\n{text}\n{}",
                    self.complaints().await?.join("\n")
                )
            }
        }
    }

    /// Waits until the element that matches reads `text` somewhere.
    ///
    /// # Errors
    /// When it does not come to.
    pub async fn reads(&self, css: &str, text: &str) -> Result<()> {
        let wanted = text.to_owned();
        let query = self
            .page
            .query(By::Css(css))
            .wait(APPEARS_WITHIN, LOOK_EVERY)
            .with_filter(move |element: WebElement| {
                let wanted = wanted.clone();
                async move { Ok(element.text().await?.contains(&wanted)) }
            });
        if query.first().await.is_err() {
            let found = self.find(css).await?.text().await?;
            bail!("{css} should read {text:?} but reads {found:?}");
        }
        Ok(())
    }

    /// Drags one element onto another with the pointer, in steps as a hand does.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn drag(&self, from: &WebElement, to: &WebElement) -> Result<()> {
        let chain = self
            .page
            .action_chain()
            .move_to_element_center(from)
            .click_and_hold();
        chain
            .move_by_offset(12, 12)
            .move_by_offset(12, 12)
            .move_to_element_center(to)
            .release()
            .perform()
            .await?;
        Ok(())
    }

    /// Runs JavaScript in the page.
    ///
    /// # Errors
    /// When it throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        Ok(self.page.execute(script, vec![]).await?.json().clone())
    }

    /// Keeps a picture of the page under this name in the screenshots folder.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let dir = env::var_os("GLASSHOUSE_SCREENSHOTS").map_or_else(
            || env::temp_dir().join("glasshouse-screenshots"),
            PathBuf::from,
        );
        fs::create_dir_all(&dir)?;
        let path = dir.join(format!("{name}.png"));
        self.page.screenshot(&path).await?;
        Ok(path)
    }

    /// What axe-core finds wrong with the page as it is, one line a rule.
    ///
    /// # Errors
    /// When the checker cannot be loaded.
    pub async fn accessibility(&self) -> Result<Vec<String>> {
        let path =
            env::var_os("AXE").context("AXE names axe-core's axe.min.js; run cargo xtask test")?;
        self.page.execute(fs::read_to_string(path)?, vec![]).await?;
        let script = "const done = arguments[0]; axe.run({runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']})\
            .then(r => done(r.violations.map(v => v.id + ': ' + v.help + ' ' + v.nodes.map(n => n.html).slice(0, 5).join(' '))), e => done([String(e)]));";
        let found = self.page.execute_async(script, vec![]).await?;
        Ok(serde_json::from_value(found.json().clone())?)
    }

    /// What the page has complained of in its console since the last time.
    ///
    /// # Errors
    /// When the browser does not tell.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let entries = self.page.browser_log().await?;
        let bad = entries
            .into_iter()
            .filter(|e| matches!(e.level.to_string().as_str(), "SEVERE" | "WARNING"));
        // A refusal by the API is shown to the user; that the browser notes it too is no complaint of the page.
        let is_refusal = |m: &String| {
            ["(Conflict)", "(Unprocessable Entity)"]
                .iter()
                .any(|r| m.ends_with(r))
        };
        Ok(bad.map(|e| e.message).filter(|m| !is_refusal(m)).collect())
    }

    /// Ends the browser.
    ///
    /// # Errors
    /// When the page complained in its console.
    pub async fn close(mut self) -> Result<()> {
        let complaints = self.complaints().await?;
        self.page.clone().quit().await?;
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        if !complaints.is_empty() {
            bail!(
                "the page complained in its console:\n{}",
                complaints.join("\n")
            );
        }
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
