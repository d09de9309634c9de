//! The English of the instruments and of the command palette, in one place, ready to be translated.

/// The scheduler's instrument.
pub mod scheduler {
    /// Its name.
    pub const TITLE: &str = "Scheduler";
    /// What it shows.
    pub const ABOUT: &str = "Why a pod is where it is: every node that kube-scheduler looked at, with the filter that refused it or the score it got.";
    /// The list of pods.
    pub const PODS: &str = "Pods, the waiting ones first";
    /// Before a pod is chosen.
    pub const CHOOSE: &str = "Choose a pod to see how it was judged.";
    /// No pods at all.
    pub const NO_PODS: &str = "There are no pods yet. Drag a workload onto the canvas.";
    /// A pod without a verdict.
    pub const NO_VERDICT: &str = "kube-scheduler has not judged this pod: it was bound by hand or by its own name, another scheduler owns it, or the verdict is forgotten (the newest 1024 are kept).";
    /// It goes nowhere.
    pub const NOWHERE: &str = "no node";
    /// The chosen node.
    pub const CHOSEN: &str = "chosen";
    /// Refused by a filter.
    pub const REFUSED: &str = "refused by";
    /// The plugins' part of a score.
    pub const PARTS: &str = "score × weight, plugin by plugin";
}

/// The store's instrument.
pub mod etcd {
    /// Its name.
    pub const TITLE: &str = "etcd";
    /// What it shows.
    pub const ABOUT: &str = "The store as the API server keeps it: keys by prefix, and every version of a key that history still has. Read only; values of Secrets stay hidden.";
    /// Figures.
    pub const REVISION: &str = "Revision";
    /// Figures.
    pub const COMPACTED: &str = "Compacted at";
    /// Figures.
    pub const KEYS: &str = "Keys";
    /// Figures.
    pub const BYTES: &str = "Size";
    /// Figures.
    pub const HISTORY: &str = "History";
    /// The path to the prefix.
    pub const PATH: &str = "Prefix";
    /// Nothing below the prefix.
    pub const EMPTY: &str = "No key begins with this.";
    /// A key without history.
    pub const NO_VERSIONS: &str = "There is no such key, and history knows of none.";
    /// The version was a deletion.
    pub const DELETED: &str = "deleted";
    /// The first version that is known.
    pub const OLDEST: &str = "the oldest version that is still kept";
    /// A version that began the key.
    pub const CREATED: &str = "created";
}

/// The network's instrument.
pub mod network {
    /// Its name.
    pub const TITLE: &str = "Network";
    /// What it shows.
    pub const ABOUT: &str = "How packets find their way: addresses of pods, the routes and Service rules of one node, and the tunnels between nodes with what they carried.";
    /// Which node's table.
    pub const NODE: &str = "As seen by";
    /// Routes.
    pub const ROUTES: &str = "Routes";
    /// Service rules.
    pub const RULES: &str = "Service rules";
    /// Pod addresses.
    pub const PODS: &str = "Pod addresses";
    /// Tunnels.
    pub const TUNNELS: &str = "Tunnels";
    /// No endpoints.
    pub const NO_ENDPOINTS: &str = "no endpoint: refused";
    /// No tunnels.
    pub const NO_TUNNELS: &str = "Nothing has passed between nodes yet.";
    /// Nothing shown.
    pub const NOTHING: &str = "This node shows nothing: it is stopped, or runs in another process.";
    /// Policy `Local`.
    pub const LOCAL_ONLY: &str = "own node only";
    /// Affinity.
    pub const STICKY: &str = "sticky";
    /// An endpoint on the node itself.
    pub const HERE: &str = "here";
}

/// Logs.
pub mod logs {
    /// Which container.
    pub const CONTAINER: &str = "Container";
    /// Every container at once.
    pub const ALL: &str = "all containers";
    /// The run before this one.
    pub const PREVIOUS: &str = "Previous";
    /// No more for now.
    pub const PAUSE: &str = "Pause";
    /// A time in front of each line.
    pub const TIMES: &str = "Timestamps";
    /// How many lines.
    pub const TAIL: &str = "Lines";
    /// Every line.
    pub const EVERY: &str = "all";
    /// The find field.
    pub const FIND: &str = "Find in the log";
    /// The download button.
    pub const DOWNLOAD: &str = "Download";
}

/// Buttons of the panel.
pub mod panel {
    /// To a component's instrument.
    pub const LOOK_INTO: &str = "Look into it";
    /// To the scheduler's verdict on a pod.
    pub const WHY_HERE: &str = "Why here?";
    /// To an object's versions in the store.
    pub const HISTORY: &str = "History";
}

/// The command palette.
pub mod commands {
    /// Its name.
    pub const TITLE: &str = "Commands";
    /// The field.
    pub const PLACEHOLDER: &str = "Go to, make, find …";
    /// Nothing found.
    pub const NONE: &str = "No command and no object has this in its name.";
}
