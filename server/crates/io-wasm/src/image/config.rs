//! What an image is started as: its entrypoint and default arguments, kept in the module itself.
//!
//! A container image has a config document beside its layers; a bare `.wasm` file has not. So a module may say it in a
//! custom section named `glasshouse:image`: JSON with `entrypoint`, `cmd` and, for programs that are many
//! (`busybox`), `applets`: the names they answer to as their first argument. The first two mean what they mean in the
//! OCI image config; `command` and `args` of a container replace them as the Kubernetes documentation describes
//! ("Define a Command and Arguments for a Container").

/// The custom section's name.
pub const SECTION: &str = "glasshouse:image";

/// How an image is started.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// The program and its fixed arguments.
    pub entrypoint: Vec<String>,
    /// Arguments when the container gives none.
    pub cmd: Vec<String>,
    /// Programs inside, by their first argument.
    pub applets: Vec<String>,
}

impl ImageConfig {
    /// The arguments of a container: `command` replaces the entrypoint and drops the default arguments, `args` replaces
    /// the default arguments. `name` is the program's name where the image says none.
    #[must_use]
    pub fn argv(&self, name: &str, command: &[String], args: &[String]) -> Vec<String> {
        let mut argv = if command.is_empty() {
            self.entrypoint.clone()
        } else {
            command.to_vec()
        };
        if !args.is_empty() {
            argv.extend_from_slice(args);
        } else if command.is_empty() {
            argv.extend_from_slice(&self.cmd);
        }
        let bare = self.entrypoint.is_empty() && self.cmd.is_empty();
        if command.is_empty() && bare {
            argv.insert(0, name.to_owned());
        }
        argv
    }

    /// Whether the image holds this program: `sh`, `/bin/sh`.
    #[must_use]
    pub fn has_applet(&self, program: &str) -> bool {
        let program = program.rsplit('/').next().unwrap_or(program);
        self.applets.iter().any(|applet| applet == program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: (&[&str], &[&str]), command: &[&str], args: &[&str], expected: &str) {
        let strings = |from: &[&str]| from.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let config = ImageConfig {
            entrypoint: strings(config.0),
            cmd: strings(config.1),
            applets: Vec::new(),
        };
        let argv = config.argv("prog", &strings(command), &strings(args));
        assert_eq!(argv.join(" "), expected, "{config:?} {command:?} {args:?}");
    }

    /// The table of "Define a Command and Arguments for a Container".
    #[test]
    fn command_and_args_replace_entrypoint_and_cmd() {
        let image: (&[&str], &[&str]) = (&["/ep-1"], &["foo", "bar"]);
        check(image, &[], &[], "/ep-1 foo bar");
        check(image, &["/ep-2"], &[], "/ep-2");
        check(image, &[], &["zoo", "boo"], "/ep-1 zoo boo");
        check(image, &["/ep-2"], &["zoo", "boo"], "/ep-2 zoo boo");
        check((&[], &["sh"]), &[], &[], "sh");
        check((&[], &["sh"]), &[], &["sleep", "5"], "sleep 5");
        check((&[], &[]), &[], &[], "prog");
        check((&[], &[]), &[], &["-v"], "prog -v");
        check((&[], &[]), &["/app"], &["-v"], "/app -v");
    }
}
