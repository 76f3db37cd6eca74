use rida_koji::{Client, ClientConfig, Finding, Login, check};

use crate::world::World;

fn bad(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|finding| !finding.good).map(|finding| finding.text.as_str()).collect()
}

#[tokio::test]
async fn a_hub_that_is_ready_has_nothing_to_be_fixed() {
    let world = World::new().await;
    let findings = check(&Client::new(world.client_config()).unwrap(), &world.config()).await;
    assert_eq!(bad(&findings), Vec::<&str>::new());
    assert!(findings.iter().any(|finding| finding.text == "it takes this service for rida"), "{findings:?}");
    let written: Vec<String> = world.hub.world().calls.iter().filter(|call| call.contains("create")).cloned().collect();
    assert_eq!(written, Vec::<String>::new(), "nothing is changed");
}

#[tokio::test]
async fn what_has_to_be_fixed_is_told_in_words() {
    let world = World::new().await;
    let mut config = world.config();
    config.permission = Some("modularity".to_owned());
    config.base_tags.insert("platform:el9".to_owned(), "nowhere".to_owned());
    world.hub.world().set_permissions("rida", &["tag"]);
    world.hub.world().forbid_import("rida");
    let policy = ("build_from_srpm".to_owned(), "deny Only admin can do this via default policy".to_owned());
    let import = ("cg_import".to_owned(), "deny".to_owned());
    let list = ("package_list".to_owned(), "deny not now".to_owned());
    world.hub.world().policies.extend([policy, import, list]);
    let findings = check(&Client::new(world.client_config()).unwrap(), &config).await;
    let told = bad(&findings).join("\n");
    for expected in [
        "rida needs the permission target, to make build targets; an administrator grants it: koji grant-permission target rida",
        "rida needs the permission modularity, which tags of modules are guarded by (koji.permission); an administrator \
         grants it: koji grant-permission --new modularity rida",
        "there is no tag nowhere, the tag of platform:el9 (koji.base_tags); name another, or make it",
        "koji grant-cg-access --new rida module-build-service",
        "the hub's policy package_list does not let rida add packages to tags (not now), as the names of modules are to \
         modular-candidate (koji.import_tag)",
        "the hub's policy cg_import does not let rida import builds (no reason is told)",
        "the hub's policy build_from_srpm does not let rida build source packages (Only admin can do this via default policy), as",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
    assert!(!told.contains("permission tag"), "{told}");

    let wrong = Login::Password { user: "rida".to_owned(), password: "wrong".to_owned() };
    let client = Client::new(ClientConfig { login: wrong, ..world.client_config() }).unwrap();
    let findings = check(&client, &config).await;
    assert_eq!(
        bad(&findings),
        [
            "Koji does not let this service in: invalid username or password (fault 1002); ask the hub's operators for the user rida and its password"
        ]
    );
    let client_config = world.client_config();
    drop(world);
    let findings = check(&Client::new(client_config).unwrap(), &config).await;
    assert!(bad(&findings)[0].contains("Connection refused"), "{findings:?}");
}
