//! The number of an API in the ids of its tokens: kept in the database, never given twice.

use propusk_tests::operator::Operator;
use propusk_tests::process::Finished;
use propusk_tests::user::new_account;

use super::{refresh_at, sign_in_at};

const ANNA: &str = "anna@example.com";
/// How many APIs of the settings the ids of tokens have room for.
const ROOM: usize = 9;

/// A settings file with these APIs, each at a prefix of its name.
fn file(names: &[String]) -> String {
    let block =
        |name: &String| format!("[apis.{name}]\ndialect = \"djoser_jwt\"\nprefix = \"/{name}\"\n");
    names.iter().map(block).collect()
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn tokens_outlive_a_restart_with_other_apis_and_belong_to_one_name() {
    let operator = Operator::new().await;
    operator.write("propusk.toml", &file(&named(&["shop"])));
    let server = operator.start(&[]).await;
    new_account(&server, ANNA).await;
    let pair = sign_in_at(&server.client, "/shop", ANNA).await;
    let (access, refresh) = (pair.field("access"), pair.field("refresh"));
    server.terminate().await;

    // Another API, which is first in the order of names, and does not get the number.
    operator.write("propusk.toml", &file(&named(&["admin"])));
    let server = operator.start(&[]).await;
    assert_eq!(refresh_at(&server.client, "/admin", &refresh).await.status, 401);
    let header = format!("Bearer {access}");
    assert_eq!(server.client.get("/admin/users/me/", Some(&header)).await.status, 401);
    server.terminate().await;

    operator.write("propusk.toml", &file(&named(&["admin", "shop"])));
    let server = operator.start(&[]).await;
    assert_eq!(refresh_at(&server.client, "/admin", &refresh).await.status, 401);
    assert_eq!(refresh_at(&server.client, "/shop", &refresh).await.status, 200);
    assert_eq!(server.client.get("/admin/users/me/", Some(&header)).await.status, 200);
}

#[tokio::test]
async fn start_with_more_apis_than_ids_have_room_for_is_refused() {
    let operator = Operator::new().await;
    let names: Vec<_> = (0..ROOM).map(|number| format!("api{number}")).collect();
    operator.write("propusk.toml", &file(&names));
    operator.start(&[]).await.terminate().await;
    // Whether or not the others are still served.
    for others in [&names[..], &[]] {
        operator.write("propusk.toml", &file(&[others, &[String::from("late")]].concat()));
        for command in [&[] as &[_], &["check-config"]] {
            let Finished { status, stderr, .. } = operator.run(&[], command, "").await;
            assert!(!status.success(), "{command:?}");
            let problem = "apis.late: the ids of tokens have room for 9 APIs";
            assert!(stderr.contains(problem), "{stderr}");
        }
    }
    let keys = "[apis.late]\ndialect = \"djoser_token\"\nprefix = \"/late\"\n";
    operator.write("propusk.toml", &(file(&names) + keys));
    operator.start(&[]).await.terminate().await;
}
