use super::*;

#[test]
fn the_codes_are_those_that_the_outside_world_knows() {
    let all: Vec<_> = BUILD_STATES.iter().map(|state| (state.name(), state.code())).collect();
    assert_eq!(all, [("init", 0), ("wait", 1), ("build", 2), ("done", 3), ("failed", 4), ("ready", 5)]);
}

#[test]
fn a_state_is_found_by_name_and_by_code() {
    for state in BUILD_STATES {
        assert_eq!(BUILD_STATES.by_name(state.name()), Some(state));
        assert_eq!(BUILD_STATES.by_code(i64::from(state.code())), Some(state));
        assert_eq!(state.name().parse(), Ok(state));
        assert_eq!(BuildState::try_from(i64::from(state.code())), Ok(state));
        assert_eq!(BUILD_STATES[state.name()], state);
    }
    for wrong in ["", "INIT", "init ", "6", "garbage"] {
        assert_eq!(BUILD_STATES.by_name(wrong), None);
    }
    for wrong in [-1, 6, i64::MAX, i64::MIN] {
        assert_eq!(BUILD_STATES.by_code(wrong), None);
    }
}

#[test]
fn the_list_prints_as_a_person_wants_to_read_it() {
    assert_eq!(BUILD_STATES.to_string(), "init 0, wait 1, build 2, done 3, failed 4, ready 5");
    assert_eq!(format!("{:<7}|", BuildState::Init), "init   |");
    assert_eq!(
        format!("{BUILD_STATES:?}"),
        r#"{"init": 0, "wait": 1, "build": 2, "done": 3, "failed": 4, "ready": 5}"#
    );
}

#[test]
fn an_unknown_state_tells_which_there_are() {
    let error = "locked".parse::<BuildState>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no build state \"locked\"; the states are init 0, wait 1, build 2, done 3, failed 4, ready 5"
    );
}

#[test]
fn every_state_is_reached_from_init_and_ready_ends() {
    let mut reached = vec![BuildState::Init];
    let mut next = 0;
    while next < reached.len() {
        for &state in reached[next].successors() {
            if !reached.contains(&state) {
                reached.push(state);
            }
        }
        next += 1;
    }
    assert_eq!(reached.len(), BUILD_STATES.len());
    assert!(BuildState::Ready.successors().is_empty());
    assert!(!BuildState::Init.may_become(BuildState::Build));
}

#[test]
fn a_state_is_its_name_in_json() {
    assert_eq!(serde_json::to_string(&BuildState::Failed).unwrap(), r#""failed""#);
}
