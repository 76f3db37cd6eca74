//! The tables as they are now. Migrations never use these: they describe the tables as they were then.
#![expect(unreachable_pub, reason = "what the derive makes of an entity is public")]

pub(crate) mod module_builds {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "module_builds")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub revision: i64,
        pub name: String,
        pub stream: String,
        /// Twenty digits, so that the order of the texts is that of the numbers, which go beyond the integers of SQL.
        pub version: String,
        pub context: String,
        pub state: i32,
        pub owner: String,
        pub scm_url: String,
        pub reason: Option<String>,
        pub scratch: bool,
        pub batches: i64,
        pub submitted_at: i64,
        pub modified_at: i64,
        /// When it entered its state.
        pub since: i64,
        pub completed_at: Option<i64>,
        pub look_at: Option<i64>,
        /// What it was built against, as [`Submission::build_context`](rida_core::Submission::build_context) has it;
        /// absent in rows of before others took components over from it.
        pub build_context: Option<String>,
        /// The name of a [`RebuildStrategy`](rida_core::plan::RebuildStrategy).
        pub rebuild_strategy: Option<String>,
        /// Absent in rows that a server wrote which did not know of it, until a start fills it in.
        pub tag: Option<String>,
        /// The build that components were taken over from.
        pub reused_id: Option<i64>,
        /// A [`BuildDocument`](crate::convert::BuildDocument).
        pub document: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_one = "super::module_submissions::Entity")]
        Submission,
    }

    impl Related<super::module_submissions::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Submission.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod module_submissions {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "module_submissions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub build_id: i64,
        /// A [`Submission`](rida_core::Submission), with the modulemd and the plan.
        pub document: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::module_builds::Entity",
            from = "Column::BuildId",
            to = "super::module_builds::Column::Id"
        )]
        Build,
    }

    impl Related<super::module_builds::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Build.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod module_build_requires {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "module_build_requires")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub build_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i64,
        pub name: String,
        pub stream: String,
        pub required_id: Option<i64>,
        /// The [number](rida_core::StreamVersion) that the stream's name tells, in thousandths.
        pub stream_number: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod component_builds {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "component_builds")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub build_id: i64,
        /// The component's index in the plan.
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i64,
        pub name: String,
        pub batch: i64,
        pub state: String,
        pub task_id: Option<i64>,
        pub nvr: Option<String>,
        pub attempt: i64,
        pub reason: Option<String>,
        pub source_commit: Option<String>,
        /// A [`ComponentBuild`](rida_core::ComponentBuild).
        pub document: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::module_builds::Entity",
            from = "Column::BuildId",
            to = "super::module_builds::Column::Id"
        )]
        Build,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod events {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "events")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sequence: i64,
        pub build_id: i64,
        pub revision: i64,
        pub at: i64,
        /// An [`Event`](rida_core::Event).
        pub event: String,
        /// A list of [`Announcement`](rida_core::Announcement)s.
        pub announcements: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod effects {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "effects")]
    pub struct Model {
        /// The [`EffectId`](rida_core::EffectId) as it prints: one column to name a row by.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub build_id: i64,
        pub number: i64,
        pub due_at: i64,
        pub attempts: i64,
        pub failures: i64,
        pub lease_owner: Option<String>,
        pub lease_until: Option<i64>,
        pub last_error: Option<String>,
        /// An [`Effect`](rida_core::Effect).
        pub effect: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod cursors {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "cursors")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub reader: String,
        pub sequence: i64,
        pub lease_owner: Option<String>,
        pub lease_until: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod parked {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "parked")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub reader: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub sequence: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub build_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i64,
        pub reason: String,
        pub at: i64,
        pub retrying: bool,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod counters {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "counters")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub value: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod settings {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "settings")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub value: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
