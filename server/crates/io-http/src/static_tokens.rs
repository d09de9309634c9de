//! Bearer tokens that stand in a file, as with kube-apiserver's `--token-auth-file`: lines of
//! `token,user,uid,"group1,group2"`; the last two may be missing.
//!
//! The cluster keeps one of its own in `DATA/pki/tokens.csv`: a token of the admin, for clients that cannot show a
//! certificate. The file is read at the start.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use apiserver::User;
use sha2::{Digest, Sha256};

use crate::pki::{PkiError, write_private};

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("cannot read the tokens in {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The reason.
        source: csv::Error,
    },
    /// It holds something else than lines of tokens.
    #[error("{}, line {line}: {why}; a line is `token,user,uid,\"group1,group2\"`", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Where, counted from 1.
        line: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// It cannot be made.
    #[error(transparent)]
    Make(#[from] PkiError),
}

/// Who comes with which token.
#[derive(Clone, Default)]
pub struct StaticTokens {
    /// By the SHA-256 of the token, so that looking one up tells nothing about others by how long it takes.
    users: HashMap<[u8; 32], User>,
}

impl StaticTokens {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or a line lacks a token or a user.
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let read = |source| TokenFileError::Read {
            path: path.into(),
            source,
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(read)?;
        let mut users = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(read)?;
            let wrong = |why| TokenFileError::Line {
                path: path.into(),
                line: record.position().map_or(0, csv::Position::line),
                why,
            };
            let column = |n| record.get(n).unwrap_or_default();
            let (token, name) = (column(0), column(1));
            if token.is_empty() || name.is_empty() {
                return Err(wrong("a token or a user's name is missing"));
            }
            let groups: Vec<&str> = column(3)
                .split(',')
                .map(str::trim)
                .filter(|g| !g.is_empty())
                .collect();
            let mut user = User::new(name, &groups);
            user.uid = column(2).to_owned();
            if users.insert(hash(token), user).is_some() {
                return Err(wrong("this token stands in the file already"));
            }
        }
        Ok(Self { users })
    }

    /// Reads a file that is made with a token of the admin when it is not there; only its owner may read it.
    ///
    /// # Errors
    /// As [`Self::read`], and when it cannot be made.
    pub fn open(path: &Path, fresh: impl FnOnce() -> String) -> Result<Self, TokenFileError> {
        if !fs::exists(path).unwrap_or(false) {
            let line = format!(
                "{},kubernetes-admin,kubernetes-admin,\"system:masters\"\n",
                fresh()
            );
            write_private(path, line.as_bytes())?;
        }
        Self::read(path)
    }

    /// Who comes with a token.
    #[must_use]
    pub fn user(&self, token: &str) -> Option<&User> {
        self.users.get(&hash(token))
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("glasshouse-tokens-{}-{name}", std::process::id()))
    }

    #[test]
    fn lines_are_read_as_by_the_original() {
        let path = file("lines");
        for (text, want) in [
            ("abc,ann,7,\"a,b\"\n", "ann 7 a b system:authenticated"),
            ("abc, ann , 7\n", "ann 7 system:authenticated"),
            ("# people\n\nabc,ann\n", "ann  system:authenticated"),
            ("other,ann,7\n", "nobody"),
            ("", "nobody"),
            ("abc\n", "line 1: a token or a user's name is missing"),
            ("x,y\n,ann\n", "line 2: a token or a user's name is missing"),
            ("abc,ann\nabc,bob\n", "line 2: this token stands"),
        ] {
            fs::write(&path, text).unwrap();
            let got = match StaticTokens::read(&path) {
                Err(error) => error.to_string(),
                Ok(tokens) => tokens.user("abc").map_or("nobody".into(), |user| {
                    format!("{} {} {}", user.name, user.uid, user.groups.join(" "))
                }),
            };
            assert!(got.contains(want), "{text:?}: {got}");
        }
        fs::remove_file(&path).unwrap();
        assert!(StaticTokens::read(&path).is_err());
    }

    #[test]
    fn the_admin_has_a_token_from_the_first_start_on() {
        let path = file("admin");
        for fresh in ["first", "second"] {
            let tokens = StaticTokens::open(&path, || fresh.into()).unwrap();
            let admin = tokens.user("first").unwrap();
            assert!(admin.groups.contains(&"system:masters".to_owned()));
            assert!(tokens.user("second").is_none());
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(&path).unwrap();
    }
}
