use super::*;

fn on(host: &str) -> Repository {
    Repository::parse(&format!("https://{host}/foo")).unwrap()
}

#[tokio::test]
async fn one_host_gets_half_and_nobody_waits_for_ever() {
    let slots = Slots::new(3, Duration::from_millis(200));
    let held = [slots.take(Some(&on("silent"))).await.unwrap(), slots.take(Some(&on("silent"))).await.unwrap()];
    let error = slots.take(Some(&on("silent"))).await.unwrap_err();
    assert_eq!(error.kind(), rida_core::PortErrorKind::Unavailable);
    assert_eq!(error.message(), "git is busy with other repositories; try again later");
    let healthy = slots.take(Some(&on("healthy"))).await.unwrap();
    // Now all are taken, for folders of this machine too.
    assert!(slots.take(None).await.is_err());
    drop(healthy);
    assert!(slots.take(None).await.is_ok());
    drop(held);
    assert!(slots.take(Some(&on("silent"))).await.is_ok());
}

#[tokio::test]
async fn hosts_are_forgotten() {
    let slots = Slots::new(2, Duration::from_secs(30));
    let held = slots.take(Some(&on("held"))).await.unwrap();
    for n in 0..3 * MANY_HOSTS {
        drop(slots.take(Some(&on(&format!("h{n}")))).await.unwrap());
    }
    let hosts = slots.hosts.lock().unwrap();
    assert!(hosts.len() <= MANY_HOSTS && hosts.contains_key("held"), "{}", hosts.len());
    drop(held);
}
