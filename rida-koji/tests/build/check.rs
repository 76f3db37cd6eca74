use rida_core::Arch;
use rida_koji::testing::{Dialect, Trouble, When};
use rida_koji::xmlrpc::{Call, Fault, Value};
use rida_koji::{Client, ClientConfig, Finding, KojiConfig, Login, Verdict, check, fault};

use crate::world::World;

fn those(findings: &[Finding], verdict: Verdict) -> Vec<&str> {
    findings.iter().filter(|finding| finding.verdict == verdict).map(|finding| finding.text.as_str()).collect()
}

fn bad(findings: &[Finding]) -> Vec<&str> {
    those(findings, Verdict::Bad)
}

/// Looks at everything, of which one question among several is answered with a fault.
async fn refused(world: &World, method: &str, code: i64) -> Vec<Finding> {
    let refused = Fault { code, message: "not just now".to_owned() };
    world.hub.world().trouble(When::Among(method.to_owned(), 0), Trouble::Fault(refused));
    check(&Client::new(world.client_config()).unwrap(), &world.config()).await
}

#[tokio::test]
async fn a_hub_that_is_ready_has_nothing_to_be_fixed() {
    let world = World::new().await;
    let findings = check(&Client::new(world.client_config()).unwrap(), &world.config()).await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Good), "{findings:?}");
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
        "rida needs the permission modularity, which tags of modules are guarded by (koji.permission), from administrators, too; an \
         administrator grants it: koji grant-permission --new modularity rida",
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

#[tokio::test]
async fn an_administrator_needs_the_permission_of_tags_too() {
    let world = World::new().await;
    let config = KojiConfig { permission: Some("modularity".to_owned()), ..world.config() };
    let client = Client::new(world.client_config()).unwrap();
    // There is no permission that nobody has.
    world.hub.world().add_user("other", "secret", &["modularity"]);
    let tag = Call::new("createTag", [Value::from("guarded")]).with("perm", "modularity");
    client.write(&tag).await.unwrap();
    let listed = Call::new("packageListAdd", ["guarded", "alpha"].map(Value::from)).with("owner", "rida");
    client.write(&listed).await.unwrap();
    world.hub.world().add_build("alpha", "1", "1", 1);
    for (permissions, is_enough) in [(["admin", "repo"], false), (["admin", "modularity"], true)] {
        world.hub.world().set_permissions("rida", &permissions);
        let told = bad(&check(&client, &config).await).join("\n");
        assert_eq!(told.is_empty(), is_enough, "{told}");
        assert!(is_enough || told.contains("koji grant-permission modularity rida"), "{told}");
        // It is so: a hub lets nobody else put a package into such a tag.
        let tagged = client.write(&Call::new("tagBuildBypass", ["guarded", "alpha-1-1"].map(Value::from))).await;
        assert_eq!(tagged.is_ok(), is_enough, "{tagged:?}");
    }
}

#[tokio::test]
async fn who_may_have_repositories_made_on_a_hub_without_a_queue_needs_no_more() {
    let world = World::new().await;
    world.hub.world().dialect = Dialect::old();
    world.hub.world().set_permissions("rida", &["regen-repo", "tag", "target"]);
    let findings = check(&Client::new(world.client_config()).unwrap(), &world.config()).await;
    assert_eq!(bad(&findings), Vec::<&str>::new());
    world.hub.world().set_permissions("rida", &["tag", "target"]);
    let findings = check(&Client::new(world.client_config()).unwrap(), &world.config()).await;
    assert!(bad(&findings).join("\n").contains("koji grant-permission repo rida"), "{findings:?}");
}

#[tokio::test]
async fn what_the_settings_name_has_to_be_of_use() {
    let world = World::new().await;
    {
        let mut world = world.hub.world();
        world.add_tag("empty-build", "");
        world.lock_tag("modular-candidate");
    }
    let mut config = KojiConfig {
        macros_target: Some("no-target".to_owned()),
        package_owner: Some("nobody".to_owned()),
        ..world.config()
    };
    config.base_tags.insert("platform:el9".to_owned(), "empty-build".to_owned());
    let client = Client::new(world.client_config()).unwrap();
    let findings = check(&client, &config).await;
    assert_eq!(
        bad(&findings),
        [
            "empty-build, the tag of platform:el9 (koji.base_tags), has no architectures, so that only modules that name \
             theirs can be built with it; set koji.arches, or give it some: koji edit-tag --arches=\"x86_64 aarch64\" \
             empty-build",
            "modular-candidate, the tag of finished modules (koji.import_tag), is locked, so that nothing can be put into \
             it; an administrator unlocks it: koji edit-tag --unlock modular-candidate",
            "there is no target no-target, what the macros of modules are built with (koji.macros_target); name another, \
             or make it",
            "there is no user nobody, who owns the packages of modules (koji.package_owner); name another, or make it",
        ]
    );
    world.hub.world().add_user("releng", "secret", &["release"]);
    // With a permission of its own the tag is for who has that, administrators or not.
    let edit = Call::new("editTag2", [Value::from("modular-candidate")]).with("perm", "release").with("locked", false);
    client.write(&edit).await.unwrap();
    config.arches = vec![Arch::new("x86_64").unwrap()];
    config.package_owner = Some("plain".to_owned());
    config.macros_target = None;
    for permissions in [["admin", "tag", "target"], ["release", "tag", "target"]] {
        world.hub.world().set_permissions("rida", &permissions);
        let findings = check(&client, &config).await;
        let expected = "modular-candidate, the tag of finished modules (koji.import_tag), needs the permission release, \
                        which rida has not; an administrator grants it: koji grant-permission release rida";
        let expected = if permissions[0] == "admin" { vec![expected] } else { Vec::new() };
        assert_eq!(bad(&findings), expected);
    }
    let target = world.module(&["alpha"]);
    world.prepare(&world.system(), &target).await;
    config.macros_target = Some(target.target().to_string());
    let findings = check(&client, &config).await;
    assert_eq!(bad(&findings), Vec::<&str>::new());
    let found = format!("{} is there, what the macros", target.target());
    assert!(findings.iter().any(|finding| finding.text.starts_with(&found)), "{findings:?}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_no_finding_of_something_else() {
    let world = World::new().await;
    for (method, expected) in [
        ("listCGs", "whether rida may import as module-build-service cannot be asked: not just now (fault 1014)"),
        ("listBTypes", "whether the hub has builds of the type module cannot be asked: not just now (fault 1014)"),
        (
            "getTag",
            "platform-build, the tag of platform:el8 (koji.base_tags), cannot be asked: not just now (fault 1014)",
        ),
        ("evalPolicy", "the hub's policy build_from_srpm cannot be asked: not just now (fault 1014)"),
    ] {
        let findings = refused(&world, method, fault::OFFLINE).await;
        assert_eq!(bad(&findings), [expected], "{method}");
    }
}

#[tokio::test]
async fn what_only_a_module_shows_is_neither_good_nor_bad() {
    let world = World::new().await;
    for (method, expected) in [
        (
            "listCGs",
            "whether rida may import as module-build-service is seen with the first module only: hubs before 1.20",
        ),
        (
            "evalPolicy",
            "whether rida may build source packages is seen with the first module only (policy build_from_srpm)",
        ),
    ] {
        let findings = refused(&world, method, fault::GENERIC).await;
        assert_eq!(bad(&findings), Vec::<&str>::new(), "{method}");
        let open = those(&findings, Verdict::Open);
        assert!(matches!(open[..], [only] if only.starts_with(expected)), "{open:?}");
    }
}
