//! The decisions on made-up lists.

use super::*;
use crate::forge::marker::Reds;

const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
const BOT: &str = "github-actions[bot]";

fn body(key: &str, run: u64, attempt: u32, red: &[&str]) -> String {
    let marker = Marker {
        key: key.into(),
        head: HEAD.into(),
        run: Run { id: run, attempt },
        red: Reds::new(red.iter().map(|name| (*name).to_owned())),
        before: None,
    };
    format!("{}\n## text of {run}\n", marker.line())
}

fn comment(id: i64, login: Option<&str>, body: String) -> Comment {
    let user = login.map(|login| User { id: Some(41), login: Some(login.to_owned()) });
    Comment { id, body: Some(body), user, html_url: None }
}

fn mine(run: u64, attempt: u32) -> Mine {
    let authors = Authors::new(Family::GitHub, &[]);
    Mine { key: "k".into(), run: Run { id: run, attempt }, authors, refused: BTreeSet::new() }
}

fn by_bot(id: i64, run: u64) -> Comment {
    comment(id, Some(BOT), body("k", run, 1, &[]))
}

#[test]
fn without_one_of_ours_one_is_created() {
    let others = [
        comment(1, Some("alice"), "hello".into()),
        comment(2, None, body("k", 9, 1, &[])),
        comment(3, Some(BOT), "another tool's".into()),
        comment(4, Some(BOT), body("other", 9, 1, &[])),
        Comment { id: 5, body: None, user: None, html_url: None },
    ];
    assert_eq!(mine(5, 1).plan(&others), Plan::Create);
    assert_eq!(mine(5, 1).plan(&[]), Plan::Create);
}

#[test]
fn a_planted_marker_is_not_ours() {
    let planted = [comment(1, Some("mallory"), body("k", 999, 1, &[]))];
    assert_eq!(mine(5, 1).plan(&planted), Plan::Create);
    assert!(mine(5, 1).has_stranger(&planted) && !mine(5, 1).has_stranger(&[by_bot(1, 2)]));
    // On GitHub anybody may be called as Gitea's jobs are.
    let other = [comment(1, Some("gitea-actions"), body("k", 4, 1, &[]))];
    assert_eq!(mine(5, 1).plan(&other), Plan::Create);
}

#[test]
fn ours_is_edited_with_what_it_said() {
    let ours = comment(7, Some("GitHub-Actions[bot]"), body("k", 4, 1, &["a/b"]));
    let Plan::Edit(found) = mine(5, 1).plan(&[by_bot(1, 1).clone(), ours.clone()][1..]) else {
        panic!("not edited");
    };
    let Found { comment, marker, surplus } = *found;
    assert_eq!((comment, marker.red.names, surplus), (ours, vec!["a/b".to_owned()], vec![]));
}

#[test]
fn a_newer_run_wins() {
    for (stored, ours, wins) in [
        ((6, 1), (5, 1), true),
        ((5, 2), (5, 1), true),
        ((5, 1), (5, 1), false),
        ((5, 1), (5, 2), false),
        ((4, 9), (5, 1), false),
    ] {
        let there = [comment(1, Some(BOT), body("k", stored.0, stored.1, &[]))];
        let plan = mine(ours.0, ours.1).plan(&there);
        assert_eq!(matches!(plan, Plan::Leave { .. }), wins, "{stored:?} {ours:?}");
    }
    // Also where it is not the one that would be edited.
    assert_eq!(mine(5, 1).plan(&[by_bot(1, 2), by_bot(2, 8)]), Plan::Leave { newer: Run { id: 8, attempt: 1 } });
}

#[test]
fn of_several_the_oldest_stays_and_the_newest_is_believed() {
    let there = [comment(9, Some(BOT), body("k", 4, 1, &["new/red"])), by_bot(3, 2), by_bot(5, 3)];
    let Plan::Edit(found) = mine(5, 1).plan(&there) else { panic!("not edited") };
    let Found { comment, marker, surplus } = *found;
    assert_eq!((comment.id, surplus, marker.red.names), (3, vec![5, 9], vec!["new/red".to_owned()]));
}

#[test]
fn what_we_may_not_write_to_is_not_ours() {
    let mine = Mine { refused: [3].into(), ..mine(5, 1) };
    assert_eq!(mine.plan(&[by_bot(3, 2)]), Plan::Create);
    assert_eq!(mine.settle(&[by_bot(3, 2), by_bot(8, 5)], 8), Settlement::Keep { surplus: vec![] });
}

#[test]
fn two_that_create_at_once_agree_on_the_oldest() {
    let (older, newer) = (by_bot(10, 5), by_bot(11, 6));
    let both = [older.clone(), newer];
    // The older run sees both: its own stays, and the newer one's is the newer one's to remove.
    assert_eq!(mine(5, 1).settle(&both, 10), Settlement::Keep { surplus: vec![] });
    assert_eq!(mine(6, 1).settle(&both, 11), Settlement::Yield { to: older.clone(), write: true, surplus: vec![] });
    // The newer run was first: the older one removes its own and does not write over it.
    let swapped = [by_bot(10, 6), by_bot(11, 5)];
    assert_eq!(mine(5, 1).settle(&swapped, 11), Settlement::Yield { to: by_bot(10, 6), write: false, surplus: vec![] });
    assert_eq!(mine(6, 1).settle(&swapped, 10), Settlement::Keep { surplus: vec![11] });
}

#[test]
fn three_leave_one() {
    let all = [by_bot(10, 5), by_bot(11, 6), by_bot(12, 7)];
    assert_eq!(mine(5, 1).settle(&all, 10), Settlement::Keep { surplus: vec![] });
    let yields = |write, surplus| Settlement::Yield { to: by_bot(10, 5), write, surplus };
    assert_eq!(mine(6, 1).settle(&all, 11), yields(false, vec![]));
    assert_eq!(mine(7, 1).settle(&all, 12), yields(true, vec![11]));
}

#[test]
fn a_lost_answer_is_found_by_its_run() {
    let all = [by_bot(10, 4), by_bot(11, 5)];
    assert_eq!(mine(5, 1).written(&all).map(|comment| comment.id), Some(11));
    assert_eq!(mine(6, 1).written(&all), None);
    assert_eq!(mine(5, 1).written(&[comment(11, Some("mallory"), body("k", 5, 1, &[]))]), None);
}

#[test]
fn on_gitea_the_job_account_is_known_by_its_id() {
    let mine = Mine { authors: Authors::new(Family::Gitea, &[]), ..mine(5, 1) };
    let by = |id, login: &str| Comment { user: Some(User { id: Some(id), login: Some(login.into()) }), ..by_bot(1, 4) };
    assert!(matches!(mine.plan(&[by(-2, "gitea-actions")]), Plan::Edit(_)));
    assert_eq!(mine.plan(&[by(-1, "Ghost"), by(12, BOT)]), Plan::Create);
}

#[test]
fn given_logins_and_the_token_s_owner_count_too() {
    let mut mine = Mine { authors: Authors::new(Family::GitHub, &["My-Bot".into()]), ..mine(5, 1) };
    let by = |login: &str| [comment(1, Some(login), body("k", 4, 1, &[]))];
    assert!(matches!(mine.plan(&by("my-bot")), Plan::Edit(_)));
    assert_eq!(mine.plan(&by("carol")), Plan::Create);
    mine.authors.add(&User { id: Some(41), login: Some("carol".into()) });
    assert!(matches!(mine.plan(&by("carol")), Plan::Edit(_)));
}

#[test]
fn odd_comments_do_not_spoil_the_list() {
    let list = serde_json::json!([
        {"id": 1, "user": null, "body": "ghost"},
        {"id": "x"},
        {"id": -5, "user": {"id": -1, "login": "Ghost"}, "body": null, "html_url": ""},
        17
    ]);
    let all = Comment::all(list.as_array().unwrap().clone());
    assert_eq!(all.iter().map(|comment| comment.id).collect::<Vec<_>>(), [1, -5]);
}

#[test]
fn line_ends_make_no_difference() {
    assert!(is_same_body("a\nb\n", "a\r\nb") && !is_same_body("a\nb", "a\nc") && !is_same_body("a", "a\nb"));
}
