//! What every [`Store`] promises, as checks to run against one.
//!
//! The checks know no runtime: run them with any. What is promised to callers at the same time needs one, and is
//! tested beside each implementation that can be called so.

use std::future::Future;
use std::pin::Pin;

use super::sample::Written;
use crate::ports::{Store, StoreErrorKind};

mod changes;
mod components;
mod filters;
mod instructions;
mod lists;
mod log;
mod readers;

/// One promise of a store.
#[derive(Clone, Copy)]
pub struct Promise {
    /// What is promised, as the name of the check.
    pub name: &'static str,
    check: Check,
}

type Check = for<'a> fn(&'a dyn Store) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Promise {
    /// Checks the promise against an empty store.
    ///
    /// # Panics
    /// When the store does not keep it.
    pub async fn check(&self, store: &dyn Store) {
        (self.check)(store).await;
    }
}

macro_rules! promises {
    ($($module:ident: $($check:ident),+;)+) => {
        /// Every promise, to check each against a store of its own.
        pub const PROMISES: &[Promise] = &[
            $($(Promise { name: stringify!($check), check: |store| Box::pin($module::$check(store)) },)+)+
        ];
    };
}

promises! {
    changes:
        an_empty_store_knows_nothing,
        ids_are_never_given_twice,
        a_life_loads_as_committed,
        a_build_without_components_loads_as_committed,
        a_stale_change_leaves_nothing_behind,
        a_change_of_an_unknown_build_conflicts,
        a_taken_id_conflicts,
        a_taken_nsvc_is_told_with_its_build,
        the_queue_tells_who_waits_and_who_runs,
        a_slot_is_granted_by_the_newest_picture_only,
        another_submission_takes_the_place_of_the_first,
        the_queue_takes_as_many_as_it_has_room_for,
        changes_of_several_builds_are_written_all_or_none,
        the_head_of_the_queue_is_served_first;
    lists:
        a_summary_tells_what_the_build_has,
        each_part_of_a_filter_filters,
        each_key_orders,
        versions_order_as_numbers,
        a_page_is_a_piece_of_the_list,
        walking_by_id_meets_each_build_once,
        hostile_text_matches_nothing,
        extreme_numbers_are_harmless,
        the_latest_ready_build_has_the_highest_version,
        builds_of_one_document_are_found,
        the_donor_is_the_one_that_ended_last_of_those_that_fit,
        ready_builds_are_found_by_what_they_are_built_against;
    filters:
        builds_are_found_by_tag_place_strategy_and_reason,
        builds_are_found_by_what_they_took_over,
        builds_are_found_by_their_base_module;
    components:
        components_are_listed_as_their_builds_have_them,
        each_part_of_a_filter_of_components_filters,
        several_builds_load_as_one_by_one;
    instructions:
        instructions_are_taken_when_due_oldest_first,
        a_leased_instruction_is_nobody_elses,
        a_lost_lease_is_given_again_and_counted,
        only_the_holder_gives_back,
        a_renewed_lease_lasts_longer,
        an_answer_removes_its_instruction_only,
        a_dropped_instruction_is_gone,
        builds_are_looked_at_when_their_time_comes,
        builds_with_a_slot_are_looked_at_sooner,
        times_of_a_clock_that_was_set_back_are_past,
        it_tells_what_a_build_still_asks_for;
    log:
        the_log_has_every_change_in_order,
        the_log_is_read_in_pieces,
        a_store_that_works_answers_a_ping;
    readers:
        a_reader_begins_where_it_is_told_once,
        each_reader_has_a_place_of_its_own,
        a_reader_is_one_workers_at_a_time,
        a_reader_moves_on_with_its_lease_only,
        a_reader_that_was_moved_back_is_not_moved_on_over_it,
        what_is_parked_is_there_until_somebody_says_otherwise,
        a_lease_of_a_clock_that_was_set_back_has_ended;
}

/// Checks every promise, each against a fresh store.
///
/// # Panics
/// When the store does not keep one; its name is printed before.
pub async fn run_all<F, R, S>(fresh: F)
where
    F: Fn() -> R,
    R: Future<Output = S>,
    S: Store,
{
    for promise in PROMISES {
        println!("checking: {}", promise.name);
        promise.check(&fresh().await).await;
    }
}

/// Commits a change that must be accepted and returns its sequence number.
async fn commit(store: &dyn Store, written: &Written) -> u64 {
    store.commit(written.commit()).await.expect("a change made from what is stored is accepted")
}

/// Commits a change that must be refused and returns why.
async fn refuse(store: &dyn Store, written: &Written) -> StoreErrorKind {
    store.commit(written.commit()).await.expect_err("the change must be refused").kind().clone()
}
