//! The command palette's content: what can be gone to and done, found by parts of its name. Pure.

use shared::ObjectKey;
use shared::kind::KINDS;

use super::app::{Dialog, NewWhat};
use super::cluster::Cluster;
use super::route::{Selected, View};
use super::table::TABLES;
use crate::graph::room::Room;

/// Rows that are shown.
const MOST: usize = 40;

/// What a command does.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Opens the drawing, a table, an instrument.
    View(View),
    /// Opens the panel about something.
    Select(Selected),
    /// Opens a dialog.
    Open(Dialog),
    /// Opens the console.
    Console,
    /// Day or dusk.
    Theme,
    /// Sets the rate of the cluster clock.
    Clock(f64),
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// What kind of thing it is, or its key.
    pub hint: String,
    /// What it does.
    pub act: Act,
}

fn command(name: impl Into<String>, hint: &str, act: Act) -> Command {
    Command {
        name: name.into(),
        hint: hint.into(),
        act,
    }
}

/// The commands that are always there. `instruments` are word and title of each.
#[must_use]
pub fn fixed(instruments: &[(&str, &str)]) -> Vec<Command> {
    let mut all = vec![command("House", "the drawing", Act::View(View::House))];
    for (word, title) in instruments {
        let act = Act::View(View::Instrument((*word).to_owned()));
        all.push(command(*title, "look into", act));
    }
    for (what, name) in [
        (NewWhat::Pod, "New Pod"),
        (NewWhat::Deployment, "New Deployment"),
        (NewWhat::Service, "New Service"),
        (NewWhat::Namespace, "New Namespace"),
    ] {
        all.push(command(name, "make", Act::Open(Dialog::New(what))));
    }
    all.extend([
        command("From YAML", "make", Act::Open(Dialog::Paste)),
        command("Scenarios", "learn", Act::Open(Dialog::Library)),
        command("Console", "key :", Act::Console),
        command("Copy a link", "share", Act::Open(Dialog::Share)),
        command("Pause the clock", "cluster clock", Act::Clock(0.0)),
        command("Clock at normal speed", "cluster clock", Act::Clock(1.0)),
        command("Clock at ×60", "cluster clock", Act::Clock(60.0)),
        command("Day or dusk", "theme", Act::Theme),
        command("Help", "key ?", Act::Open(Dialog::Help)),
        command("Design", "the page's own parts", Act::View(View::Design)),
    ]);
    let listed = KINDS.iter().filter(|k| k.verbs.contains(&"list"));
    let plurals: std::collections::BTreeSet<&str> = listed.map(|k| k.plural).collect();
    for plural in plurals {
        let act = Act::View(View::Table(plural.to_owned()));
        all.push(command(format!("Table of {plural}"), "table", act));
    }
    all.extend(Room::CONTROL_PLANE.into_iter().map(|r| {
        let act = Act::Select(Selected::Component(r.component()));
        command(r.component(), "component", act)
    }));
    all
}

/// What has the typed text in its name, the closest first; without text the fixed commands.
#[must_use]
pub fn find(fixed: &[Command], cluster: &Cluster, typed: &str) -> Vec<Command> {
    let typed = typed.trim().to_lowercase();
    if typed.is_empty() {
        return fixed.iter().take(MOST).cloned().collect();
    }
    let mut found: Vec<(usize, usize, Command)> = Vec::new();
    let mut take = |order: usize, name: &str, make: &dyn Fn() -> Command| {
        if let Some(score) = distance(&name.to_lowercase(), &typed) {
            found.push((score, order, make()));
        }
    };
    for known in fixed {
        take(0, &known.name, &|| known.clone());
    }
    for (plural, _) in TABLES {
        for key in cluster.shelf(plural).keys() {
            let name = key.to_string();
            take(1, &name, &|| object(plural, key));
        }
    }
    found.sort_by(|a, b| (a.0, a.1, &a.2.name).cmp(&(b.0, b.1, &b.2.name)));
    found.into_iter().take(MOST).map(|f| f.2).collect()
}

fn object(plural: &str, key: &ObjectKey) -> Command {
    let kind = KINDS.iter().find(|k| k.plural == plural);
    let hint = kind.map_or(plural, |k| k.kind);
    let act = Act::Select(Selected::Object(plural.to_owned(), key.clone()));
    command(key.to_string(), hint, act)
}

/// How far a name is from what was typed: 0 when it begins with it, `None` when the letters are not there in order.
fn distance(name: &str, typed: &str) -> Option<usize> {
    if let Some(at) = name.find(typed) {
        let begins_word = at == 0 || !name.get(..at)?.ends_with(char::is_alphanumeric);
        return Some(if at == 0 {
            0
        } else if begins_word {
            1
        } else {
            2
        });
    }
    let (mut letters, mut gaps, mut last) = (name.char_indices(), 0, None);
    for wanted in typed.chars().filter(|c| !c.is_whitespace()) {
        let (at, _) = letters.find(|(_, c)| *c == wanted)?;
        if let Some(last) = last {
            gaps += at - last - 1;
        }
        last = Some(at);
    }
    // Letters that lie far apart were not meant.
    (gaps <= 12).then_some(3 + gaps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::live::Message;
    use shared::{KindRef, Object, Revision};

    use super::*;

    fn found(typed: &str) -> Vec<String> {
        let mut cluster = Cluster::default();
        cluster.apply(Message::Snapshot {
            kind: KindRef::new("", "v1", "pods"),
            revision: Revision(1),
            items: vec![Object::new(
                json!({"metadata": {"name": "scout", "namespace": "shop"}}),
            )],
        });
        let fixed = fixed(&[("scheduler", "Scheduler")]);
        let found = find(&fixed, &cluster, typed);
        found
            .into_iter()
            .map(|c| format!("{} ({})", c.name, c.hint))
            .collect()
    }

    #[test]
    fn the_closest_name_comes_first() {
        assert_eq!(found("sche")[0], "Scheduler (look into)");
        assert_eq!(found("scout")[0], "shop/scout (Pod)");
        assert_eq!(found("ndep")[0], "New Deployment (make)");
        assert_eq!(found("table of jobs")[0], "Table of jobs (table)");
        assert!(found("").len() > 10);
        assert!(found("qqq").is_empty());
    }

    #[test]
    fn every_command_is_there_once() {
        let mut names: Vec<String> = fixed(&[]).into_iter().map(|c| c.name).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
