//! One client's conversation: what Redis clients say besides commands on data. Pure: the time is an argument.

use crate::resp::{Reply, Version};
use crate::store::{Bytes, Store, is_write};

/// Most commands of one transaction.
const QUEUED_MAX: usize = 64 * 1024;
/// The version whose commands these are; clients ask before they use newer ones.
const VERSION: &str = "7.0.0";

/// What is shared by all clients.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) password: Option<String>,
    pub(crate) port: u16,
    /// Where the log is, when there is one.
    pub(crate) dir: Option<String>,
    pub(crate) started_ms: u64,
    pub(crate) clients: usize,
    pub(crate) commands: u64,
    /// Changes that the log does not have yet.
    pub(crate) unlogged: Vec<Vec<Bytes>>,
}

/// One client.
#[derive(Debug, Default)]
pub(crate) struct Session {
    name: Bytes,
    authenticated: bool,
    queued: Option<Vec<Vec<Bytes>>>,
    /// How replies are written.
    pub(crate) version: Version,
    /// The client wants to go once this has been answered.
    pub(crate) quits: bool,
}

impl Session {
    /// Answers a request.
    pub(crate) fn request(&mut self, server: &mut Server, request: Vec<Bytes>, now_ms: u64) -> Reply {
        server.commands += 1;
        let Some(first) = request.first() else { return Reply::Error("ERR empty command".to_owned()) };
        let name = String::from_utf8_lossy(first).to_uppercase();
        let args = &request[1..];
        if server.password.is_some() && !self.authenticated && !matches!(name.as_str(), "AUTH" | "HELLO" | "QUIT") {
            return Reply::Error("NOAUTH Authentication required.".to_owned());
        }
        match name.as_str() {
            "MULTI" if self.queued.is_none() => {
                self.queued = Some(Vec::new());
                return Reply::OK;
            }
            "DISCARD" if self.queued.take().is_some() => return Reply::OK,
            "MULTI" => return Reply::Error("ERR MULTI calls can not be nested".to_owned()),
            "EXEC" | "DISCARD" => {
                let Some(queued) = self.queued.take() else {
                    return Reply::Error(format!("ERR {name} without MULTI"));
                };
                return Reply::Array(queued.into_iter().map(|request| self.run(server, &request, now_ms)).collect());
            }
            "WATCH" | "UNWATCH" => return Reply::OK,
            _ => {}
        }
        if let Some(queued) = &mut self.queued {
            if queued.len() >= QUEUED_MAX {
                return Reply::Error("ERR the transaction is too long".to_owned());
            }
            queued.push(request);
            return Reply::Status("QUEUED");
        }
        match self.own(server, &name, args, now_ms) {
            Some(reply) => reply,
            None => self.run(server, &request, now_ms),
        }
    }

    fn run(&mut self, server: &mut Server, request: &[Bytes], now_ms: u64) -> Reply {
        let name = String::from_utf8_lossy(&request[0]).to_uppercase();
        if let Some(reply) = self.own(server, &name, &request[1..], now_ms) {
            return reply;
        }
        let Some(reply) = server.store.execute(&name, &request[1..], now_ms) else {
            let shown: Vec<String> =
                request[1..].iter().take(3).map(|arg| format!("'{}'", String::from_utf8_lossy(arg))).collect();
            let name = String::from_utf8_lossy(&request[0]);
            return Reply::Error(format!("ERR unknown command '{name}', with args beginning with: {}", shown.join(" ")));
        };
        if is_write(&name) && !matches!(reply, Reply::Error(_)) {
            server.unlogged.push(request.to_vec());
        }
        reply
    }

    /// Commands about the connection and the server.
    fn own(&mut self, server: &mut Server, name: &str, args: &[Bytes], now_ms: u64) -> Option<Reply> {
        let word = |i: usize| args.get(i).map(|arg| String::from_utf8_lossy(arg).to_uppercase()).unwrap_or_default();
        Some(match name {
            "PING" => args.first().map_or(Reply::Status("PONG"), |text| Reply::Bulk(text.clone())),
            "ECHO" => args.first().map_or_else(|| Reply::text(""), |text| Reply::Bulk(text.clone())),
            "QUIT" => {
                self.quits = true;
                Reply::OK
            }
            "SELECT" if word(0) == "0" => Reply::OK,
            "SELECT" => Reply::Error("ERR DB index is out of range".to_owned()),
            "AUTH" => self.authenticate(server, args.last()),
            "HELLO" => self.hello(server, args),
            "CLIENT" => match word(0).as_str() {
                "ID" => Reply::Integer(1),
                "GETNAME" => Reply::Bulk(self.name.clone()),
                "SETNAME" => {
                    self.name = args.get(1).cloned().unwrap_or_default();
                    Reply::OK
                }
                "SETINFO" | "NO-EVICT" | "NO-TOUCH" => Reply::OK,
                other => Reply::Error(format!("ERR unknown subcommand '{}'. Try CLIENT HELP.", other.to_lowercase())),
            },
            "COMMAND" if word(0) == "COUNT" => Reply::Integer(0),
            "COMMAND" => Reply::Array(Vec::new()),
            "CONFIG" => match word(0).as_str() {
                "GET" => config(server, &word(1).to_lowercase()),
                "SET" | "RESETSTAT" => Reply::OK,
                _ => Reply::Error("ERR unknown CONFIG subcommand".to_owned()),
            },
            "INFO" => Reply::text(&info(server, now_ms)),
            "TIME" => {
                let micros = now_ms % 1000 * 1000;
                Reply::Array(vec![Reply::text(&(now_ms / 1000).to_string()), Reply::text(&micros.to_string())])
            }
            _ => return None,
        })
    }

    fn authenticate(&mut self, server: &Server, given: Option<&Bytes>) -> Reply {
        match &server.password {
            None => Reply::Error(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
                    .to_owned(),
            ),
            Some(password) if given.is_some_and(|given| given == password.as_bytes()) => {
                self.authenticated = true;
                Reply::OK
            }
            Some(_) => Reply::Error("WRONGPASS invalid username-password pair or user is disabled.".to_owned()),
        }
    }

    /// `HELLO [VERSION [AUTH user password]]`.
    fn hello(&mut self, server: &Server, args: &[Bytes]) -> Reply {
        let version = match args.first().map(Vec::as_slice) {
            None => self.version,
            Some(b"2") => Version::Two,
            Some(b"3") => Version::Three,
            Some(_) => return Reply::Error("NOPROTO unsupported protocol version".to_owned()),
        };
        if args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH"))
            && let refused @ Reply::Error(_) = self.authenticate(server, args.get(3))
        {
            return refused;
        }
        if server.password.is_some() && !self.authenticated {
            return Reply::Error("NOAUTH HELLO must be called with the client already authenticated.".to_owned());
        }
        self.version = version;
        let facts = [("server", "redis"), ("version", VERSION), ("mode", "standalone"), ("role", "master")];
        let mut reply: Vec<_> = facts.iter().map(|(name, value)| (Reply::text(name), Reply::text(value))).collect();
        let number = if version == Version::Three { 3 } else { 2 };
        reply.extend([(Reply::text("proto"), Reply::Integer(number)), (Reply::text("id"), Reply::Integer(1))]);
        Reply::Map(reply)
    }
}

/// The few settings that clients ask for.
fn config(server: &Server, wanted: &str) -> Reply {
    let settings = [
        ("appendonly", if server.dir.is_some() { "yes" } else { "no" }.to_owned()),
        ("databases", "1".to_owned()),
        ("dir", server.dir.clone().unwrap_or_default()),
        ("maxmemory", "0".to_owned()),
        ("port", server.port.to_string()),
        ("save", String::new()),
    ];
    let fitting = settings.iter().filter(|(name, _)| wanted == "*" || *name == wanted);
    Reply::Map(fitting.map(|(name, value)| (Reply::text(name), Reply::text(value))).collect())
}

fn info(server: &Server, now_ms: u64) -> String {
    let mut text = format!(
        "# Server\r\nredis_version:{VERSION}\r\nredis_mode:standalone\r\nos:WASI\r\ntcp_port:{}\r\nuptime_in_seconds:{}\r\n\r\n\
         # Clients\r\nconnected_clients:{}\r\n\r\n\
         # Persistence\r\nloading:0\r\naof_enabled:{}\r\n\r\n\
         # Stats\r\ntotal_commands_processed:{}\r\n\r\n\
         # Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Keyspace\r\n",
        server.port,
        now_ms.saturating_sub(server.started_ms) / 1000,
        server.clients,
        u8::from(server.dir.is_some()),
        server.commands,
    );
    if server.store.len() > 0 {
        text.push_str(&format!("db0:keys={},expires={},avg_ttl=0\r\n", server.store.len(), server.store.expiring()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::show;

    fn check(server: &mut Server, session: &mut Session, cases: &[(&str, &str)]) {
        for (line, expected) in cases {
            let request = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(show(&session.request(server, request, 5000), ""), *expected, "{line}");
        }
    }

    #[test]
    fn clients_are_answered_when_they_connect() {
        let (mut server, mut session) = (Server::default(), Session::default());
        check(&mut server, &mut session, &[
            ("ping", "PONG"),
            ("PING hi", "\"hi\""),
            ("HELLO 4", "(error) NOPROTO unsupported protocol version"),
            ("CLIENT TRACKING ON", "(error) ERR unknown subcommand 'tracking'. Try CLIENT HELP."),
            ("CLIENT SETINFO LIB-NAME redis-py", "OK"),
            ("CLIENT SETNAME me", "OK"),
            ("CLIENT GETNAME", "\"me\""),
            ("COMMAND DOCS", "(empty array)"),
            ("CONFIG GET save", "1) \"save\"\n2) \"\""),
            ("SELECT 0", "OK"),
            ("SELECT 1", "(error) ERR DB index is out of range"),
            ("NONSENSE a b", "(error) ERR unknown command 'NONSENSE', with args beginning with: 'a' 'b'"),
            ("AUTH x", "(error) ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"),
            ("QUIT", "OK"),
        ]);
        assert!(session.quits);
        assert_eq!(session.version, Version::Two);
        session.request(&mut server, vec![b"HELLO".to_vec(), b"3".to_vec()], 0);
        assert_eq!(session.version, Version::Three);
        assert!(show(&session.request(&mut server, vec![b"HELLO".to_vec()], 0), "").contains("\"proto\""));
        assert!(info(&server, 9000).contains("redis_mode:standalone"));
    }

    #[test]
    fn transactions_run_together() {
        let (mut server, mut session) = (Server::default(), Session::default());
        check(&mut server, &mut session, &[
            ("EXEC", "(error) ERR EXEC without MULTI"),
            ("MULTI", "OK"),
            ("SET a 1", "QUEUED"),
            ("INCR a", "QUEUED"),
            ("EXEC", "1) OK\n2) (integer) 2"),
            ("MULTI", "OK"),
            ("SET a 9", "QUEUED"),
            ("DISCARD", "OK"),
            ("GET a", "\"2\""),
        ]);
        assert_eq!(server.unlogged.len(), 2, "reads and failures are not logged");
    }

    #[test]
    fn a_password_is_asked_for() {
        let mut server = Server { password: Some("secret".into()), ..Server::default() };
        let mut session = Session::default();
        check(&mut server, &mut session, &[
            ("GET a", "(error) NOAUTH Authentication required."),
            ("AUTH wrong", "(error) WRONGPASS invalid username-password pair or user is disabled."),
            ("AUTH default secret", "OK"),
            ("GET a", "(nil)"),
        ]);
    }
}
