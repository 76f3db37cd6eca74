use std::collections::BTreeMap;

use rida_core::testing::{MemoryStore, TestClock, sample};
use rida_koji::testing::Hub;
use rida_koji::{Client, ClientConfig, KojiConfig, Login};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct World {
    hub: Hub,
    store: MemoryStore,
    clock: TestClock,
}

impl World {
    async fn new() -> Self {
        Self { hub: Hub::start().await.unwrap(), store: MemoryStore::new(), clock: TestClock::at(sample::at(0)) }
    }

    /// Makes what a service has to clean up with.
    fn cleaner(&self) -> Cleaner {
        let login = Login::Password { user: "rida".to_owned(), password: "secret".to_owned() };
        let client = ClientConfig { pause: Duration::from_millis(1), ..ClientConfig::new(self.hub.url(), login) };
        let config = KojiConfig { base_tags: BTreeMap::new(), ..KojiConfig::default() };
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let builds = KojiBuildSystem::new(Client::new(client).unwrap(), config, Arc::clone(&store));
        let (clock, ages) = (Arc::new(self.clock.clone()), CleanUp::default());
        Cleaner { builds: Arc::new(builds), store, clock, ages, every: DAY }
    }

    /// Returns how often the hub was asked for what there is to take away.
    fn looks(&self) -> usize {
        self.hub.world().calls.iter().filter(|call| call.contains("getBuildTargets")).count()
    }
}

#[tokio::test]
async fn one_of_several_services_does_it_once_a_day() {
    let world = World::new().await;
    let services = [world.cleaner(), world.cleaner(), world.cleaner()];
    for day in 1..=3 {
        for hour in 0..24 {
            for (number, service) in services.iter().enumerate() {
                let done = service.turn().await.unwrap();
                assert_eq!(done.is_some(), (hour, number) == (0, 0), "service {number}, hour {hour} of day {day}");
            }
            world.clock.advance(Duration::from_secs(3600));
        }
        assert_eq!(world.looks(), day);
    }
}

#[tokio::test]
async fn who_could_not_do_it_leaves_it_to_who_comes_next() {
    let world = World::new().await;
    world.hub.world().offline = true;
    let error = world.cleaner().turn().await.unwrap_err();
    assert!(chain(&error).contains("Koji is offline"), "{}", chain(&error));
    world.hub.world().offline = false;
    assert!(world.cleaner().turn().await.unwrap().is_some());
    assert!(world.cleaner().turn().await.unwrap().is_none());
}

#[tokio::test]
async fn it_ends_with_the_service() {
    let world = World::new().await;
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(world.cleaner().run(stopping));
    while world.looks() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(60), running).await.unwrap().unwrap();
}
