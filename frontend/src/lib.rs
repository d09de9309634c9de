//! The dashboard: a section through the cluster, alive.
//!
//! `backend/` talks to the server, `state/` folds what it says, `graph/` decides where things stand and move, `ui/`
//! has the small parts, `feature/` the large ones. It depends on `shared` alone; all rules are the server's.

pub mod backend;
pub mod feature;
pub mod graph;
pub mod state;
pub mod ui;
pub mod words;

use leptos::prelude::*;

use backend::stream;
use feature::drag::{Carried, Grip};
use feature::scenario::Lessons;
use feature::{
    commands, console, foot, header, help, house, instruments, keys, mark, new, palette, panel,
    paste, scenario, send, share, tables, upload,
};
use graph::animate::Animator;
use state::app::{Dialog, Hands, Nav, Truth};
use state::route::View;
use state::stage::Stage;

/// The page.
#[component]
pub fn App() -> impl IntoView {
    let truth = Truth::new();
    let hands = Hands::new(truth);
    let nav = Nav::new();
    provide_context(truth);
    provide_context(hands);
    provide_context(nav);
    provide_context(Grip::new(hands, nav, truth));
    let stage = Stage::new();
    provide_context(stage);
    provide_context(Lessons::new(truth, hands));
    let animator = Animator::new(truth.lit);
    let on_hop = animator.clone();
    stream::open(truth, move |hop| {
        on_hop.hop(hop);
        stage.notice(hop, nav);
    });
    let animator = StoredValue::new_local(animator);
    let hovering = RwSignal::new(false);
    upload::load_images(truth);
    upload::take_drops(truth, hands, hovering);
    share::watch_address(hands);
    keys::listen(hands, nav);
    let view = Memo::new(move |_| nav.0.with(|r| r.view.clone()));
    view! {
        <a class="c-skip" href="#main">
            "Skip to the cluster"
        </a>
        <header::Header />
        <div class="c-left">
            <scenario::Guide />
            <palette::Palette />
        </div>
        <main id="main" tabindex="-1" aria-label="Cluster">
            {move || match view.get() {
                View::House => view! { <house::House animator=animator /> }.into_any(),
                View::Table(plural) => view! { <tables::Tables plural=plural /> }.into_any(),
                View::Instrument(word) => view! { <instruments::Frame word=word /> }.into_any(),
                View::Design => view! { <feature::design::Design /> }.into_any(),
            }}
        </main>
        <panel::Panel />
        <foot::Foot />
        <send::AskDialog />
        <send::UndoBar />
        <console::Console />
        <Dialogs />
        <Carried />
        <upload::DropHint hovering=hovering />
        <ui::notice::Notices />
    }
}

/// The dialog in front, if any.
#[component]
fn Dialogs() -> impl IntoView {
    let hands = expect_context::<Hands>();
    move || match hands.dialog.get() {
        Dialog::None => ().into_any(),
        Dialog::Help => view! { <help::Help /> }.into_any(),
        Dialog::Commands => view! { <commands::Commands /> }.into_any(),
        Dialog::Paste => view! { <paste::PasteForm /> }.into_any(),
        Dialog::Library => view! { <scenario::Library /> }.into_any(),
        Dialog::Share => view! { <share::ShareDialog /> }.into_any(),
        Dialog::Preview(scenario) => view! { <scenario::Preview scenario=*scenario /> }.into_any(),
        Dialog::BadLink(why) => view! { <share::BadLink why=why /> }.into_any(),
        Dialog::New(what) => view! { <new::NewForm what=what /> }.into_any(),
        Dialog::Mark(mark, node) => view! { <mark::MarkForm mark=mark node=node /> }.into_any(),
        Dialog::Run(image) => view! { <new::RunForm image=image /> }.into_any(),
    }
}
