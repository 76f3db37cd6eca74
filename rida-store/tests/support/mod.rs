//! The databases that every test of the store runs on.

use rida_store::{PostgresUrl, StoreConfig};
use rida_test_postgres::{Cluster, TestDatabase};
use tempfile::TempDir;

/// A database for one test, gone with it.
#[derive(Debug)]
pub(crate) enum Place {
    Sqlite(TempDir),
    Postgres(TestDatabase<'static>),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a folder can be made"))
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(Cluster::shared().database())
    }

    pub(crate) fn config(&self) -> StoreConfig {
        match self {
            Self::Sqlite(folder) => StoreConfig::sqlite(folder.path().join("rida.db")),
            Self::Postgres(database) => {
                let url: PostgresUrl = database.url().parse().expect("its address is good");
                StoreConfig::postgres(url)
            }
        }
    }
}

/// Makes a test of each function for each database.
#[macro_export]
macro_rules! on_every_database {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(super::Place::sqlite()).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(super::Place::postgres()).await;
            })+
        }
    };
}
