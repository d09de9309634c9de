//! Where the page is: what is selected, which tab, which view. Lives in the URL's query, so that links and Back work.

use shared::ObjectKey;
use shared::flow::TraceId;

/// What the right-hand panel is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selected {
    /// Nothing: the panel tells what happened last.
    #[default]
    Nothing,
    /// An object: plural and key.
    Object(String, ObjectKey),
    /// A component by its name in the flow log: `kubelet node-1`.
    Component(String),
    /// A chain of cause and effect.
    Trace(TraceId),
}

/// The panel's tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// How it came to be.
    #[default]
    Path,
    /// What it is and does now.
    Now,
    /// Container logs.
    Logs,
    /// Events about it.
    Events,
    /// The object.
    Yaml,
    /// A shell in a container.
    Shell,
}

/// The main area.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// The drawing.
    #[default]
    House,
    /// A table of a plural.
    Table(String),
    /// An instrument by its word, such as `etcd`.
    Instrument(String),
    /// Tokens and components, for whoever works on the page.
    Design,
}

/// A place in the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// What the panel is about.
    pub selected: Selected,
    /// Its tab.
    pub tab: Tab,
    /// The main area.
    pub view: View,
    /// What an instrument looks at: a key, a pod, a node.
    pub on: String,
}

impl Tab {
    /// Every tab in order.
    pub const ALL: [Self; 6] = [
        Self::Path,
        Self::Now,
        Self::Logs,
        Self::Events,
        Self::Yaml,
        Self::Shell,
    ];

    /// The word in the URL.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Now => "now",
            Self::Logs => "logs",
            Self::Events => "events",
            Self::Yaml => "yaml",
            Self::Shell => "shell",
        }
    }
}

impl Route {
    /// The query string with its `?`, empty for the first screen.
    #[must_use]
    pub fn query(&self) -> String {
        let mut parts = Vec::new();
        match &self.view {
            View::House => {}
            View::Table(plural) => parts.push(format!("table={}", escape(plural))),
            View::Instrument(word) => parts.push(format!("view={}", escape(word))),
            View::Design => parts.push("view=design".into()),
        }
        if !self.on.is_empty() {
            parts.push(format!("on={}", escape(&self.on)));
        }
        match &self.selected {
            Selected::Nothing => {}
            Selected::Object(plural, key) if key.namespace.is_empty() => {
                parts.push(format!("at={}/{}", escape(plural), escape(&key.name)));
            }
            Selected::Object(plural, key) => {
                let (ns, name) = (escape(&key.namespace), escape(&key.name));
                parts.push(format!("at={}/{ns}/{name}", escape(plural)));
            }
            Selected::Component(name) => parts.push(format!("component={}", escape(name))),
            Selected::Trace(id) => parts.push(format!("trace={id}")),
        }
        if self.tab != Tab::default() {
            parts.push(format!("tab={}", self.tab.word()));
        }
        if parts.is_empty() {
            String::new()
        } else {
            format!("?{}", parts.join("&"))
        }
    }

    /// Reads a query string; what it does not know is the first screen.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut route = Self::default();
        for (key, value) in query
            .trim_start_matches('?')
            .split('&')
            .filter_map(|p| p.split_once('='))
        {
            match key {
                "table" => route.view = View::Table(unescape(value)),
                "view" if value == "design" => route.view = View::Design,
                "view" => route.view = View::Instrument(unescape(value)),
                "on" => route.on = unescape(value),
                "component" => route.selected = Selected::Component(unescape(value)),
                "trace" => {
                    if let Ok(id) = u128::from_str_radix(value, 16) {
                        route.selected = Selected::Trace(TraceId(id));
                    }
                }
                "at" => route.selected = object(value),
                "tab" => {
                    route.tab = Tab::ALL
                        .into_iter()
                        .find(|t| t.word() == value)
                        .unwrap_or_default()
                }
                _ => {}
            }
        }
        route
    }
}

fn object(value: &str) -> Selected {
    let parts: Vec<String> = value.split('/').map(unescape).collect();
    match parts.as_slice() {
        [plural, name] => Selected::Object(plural.clone(), ObjectKey::new("", name)),
        [plural, ns, name] => Selected::Object(plural.clone(), ObjectKey::new(ns, name)),
        _ => Selected::Nothing,
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// Undoes [`escape`]; a malformed escape stays as it is, bytes that are no UTF-8 become replacement characters.
#[must_use]
pub fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.as_bytes();
    while let Some((&b, rest)) = bytes.split_first() {
        let hex = rest.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(value) if b == b'%' => {
                out.push(value);
                bytes = rest.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(b);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_the_address_bar() {
        for query in [
            "",
            "?at=pods/default/web",
            "?at=nodes/node-1&tab=yaml",
            "?table=pods",
            "?view=design",
            "?view=etcd&on=%2Fregistry%2Fpods%2F",
            "?view=scheduler&on=shop%2Fweb&at=nodes/node-1",
            "?table=pods&at=pods/shop/web-7f9c&tab=logs",
            "?component=kubelet%20node-1&tab=now",
            "?trace=0000000000000000000000000000002a",
        ] {
            assert_eq!(Route::parse(query).query(), query);
        }
    }

    #[test]
    fn hostile_addresses_are_the_first_screen() {
        for query in [
            "?at=",
            "?at=a/b/c/d",
            "?trace=zz",
            "?tab=nope",
            "?=&&=",
            "?x",
            "?trace=%%%",
            "?tab=%",
        ] {
            assert_eq!(Route::parse(query).query(), "", "{query}");
        }
        assert_eq!(unescape("%zz%4"), "%zz%4");
        assert_eq!(unescape("%ff"), "\u{fffd}");
        assert_eq!(unescape(&escape("a/b ?&=é")), "a/b ?&=é");
    }
}
