//! The phase of a pod, worked out from its containers (`getPhase` of the kubelet).

use crate::spec::RestartPolicy;
use crate::unit::{Role, State, Unit};

/// `Pending`, `Running`, `Succeeded` or `Failed`. `ended`: nothing runs and nothing will.
pub(crate) fn phase(
    units: &[Unit],
    policy: RestartPolicy,
    initialized: bool,
    ended: bool,
) -> &'static str {
    let (mut pending_init, mut failed_init) = (false, false);
    let (mut waiting, mut running, mut stopped, mut succeeded) = (0, 0, 0, 0);
    let mut restarts = false;
    for unit in units {
        match unit.role {
            Role::Init => match (unit.shown(), &unit.last) {
                (State::Exited(exit), _) => failed_init |= exit.exit_code != 0,
                (State::Waiting { .. }, Some(last)) if last.exit_code != 0 => failed_init = true,
                _ => pending_init = true,
            },
            Role::Sidecar => {
                pending_init |= !initialized && !unit.is_started();
                running += usize::from(unit.is_running());
            }
            Role::Ephemeral => {}
            Role::App => match (unit.shown(), &unit.last) {
                (State::Running { .. }, _) => running += 1,
                (State::Exited(exit), _) => {
                    stopped += 1;
                    succeeded += usize::from(exit.exit_code == 0);
                    restarts |= unit.is_active() || unit.wants_run(policy);
                }
                (State::Waiting { .. }, Some(_)) => (stopped, restarts) = (stopped + 1, true),
                _ => waiting += 1,
            },
        }
    }
    if failed_init && policy == RestartPolicy::Never {
        return "Failed";
    }
    if ended {
        let all = waiting == 0 && stopped == succeeded && !pending_init && !failed_init;
        return if all { "Succeeded" } else { "Failed" };
    }
    if (pending_init || failed_init) && !initialized || waiting > 0 {
        return "Pending";
    }
    if stopped == 0 && running == 0 {
        "Pending"
    } else if running > 0 || restarts {
        "Running"
    } else if stopped == succeeded {
        "Succeeded"
    } else {
        "Failed"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ContainerSpec;
    use crate::unit::Terminated;
    use shared::Millis;

    fn exit(exit_code: i32) -> Terminated {
        Terminated {
            exit_code,
            reason: String::new(),
            message: String::new(),
            started: None,
            finished: Millis(0),
            container_id: String::new(),
        }
    }

    /// One unit per word: `i` init, `s` sidecar, `a` app; then `w` waiting, `r` running, `0`/`1` exited, `c` waiting
    /// after a crash.
    fn units(words: &str) -> Vec<Unit> {
        let one = |word: &str| {
            let mut letters = word.chars();
            let role = match letters.next() {
                Some('i') => Role::Init,
                Some('s') => Role::Sidecar,
                _ => Role::App,
            };
            let mut unit = Unit::new(role, ContainerSpec::default());
            match letters.next() {
                Some('r') => unit.state = State::Running { since: Millis(0) },
                Some('0') => unit.state = State::Exited(exit(0)),
                Some('1') => unit.state = State::Exited(exit(1)),
                Some('c') => unit.last = Some(exit(1)),
                _ => {}
            }
            unit
        };
        words.split(' ').map(one).collect()
    }

    #[test]
    fn phases_are_those_of_the_original() {
        use RestartPolicy::{Always, Never, OnFailure};
        for (words, policy, initialized, ended, want) in [
            ("aw", Always, true, false, "Pending"),
            ("ar", Always, true, false, "Running"),
            ("ar aw", Always, true, false, "Pending"),
            ("ar ac", Always, true, false, "Running"),
            ("ac", Always, true, false, "Running"),
            ("a0", Always, true, false, "Running"),
            ("a0", OnFailure, true, true, "Succeeded"),
            ("a1", OnFailure, true, false, "Running"),
            ("a1", Never, true, true, "Failed"),
            ("a0 a1", Never, true, true, "Failed"),
            ("a0 ar", Never, true, false, "Running"),
            ("iw aw", Always, false, false, "Pending"),
            ("ir aw", Always, false, false, "Pending"),
            ("ic aw", Always, false, false, "Pending"),
            ("i1 aw", Never, false, true, "Failed"),
            ("i0 ar", Always, true, false, "Running"),
            ("sw aw", Always, false, false, "Pending"),
            ("sr aw", Always, false, false, "Pending"),
            ("sc ar", Always, true, false, "Running"),
            ("s0 a0", Never, true, true, "Succeeded"),
            ("sr a0", Never, true, false, "Running"),
            ("aw", Always, true, true, "Failed"),
        ] {
            assert_eq!(
                phase(&units(words), policy, initialized, ended),
                want,
                "{words} {policy:?}"
            );
        }
    }
}
