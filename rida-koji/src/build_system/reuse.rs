//! Components of earlier builds: whether Koji still has them.

use rida_core::{ComponentName, ModuleBuild, PortError};

use super::{KojiBuildSystem, unreadable};
use crate::map::{port_error, refused};
use crate::wire::{Build, BuildState};
use crate::xmlrpc::{Call, Value};

impl KojiBuildSystem {
    /// Returns the components whose builds are there: not deleted, and not garbage.
    pub(super) async fn components_there(
        &self,
        donor: &ModuleBuild,
        components: &[ComponentName],
    ) -> Result<Vec<ComponentName>, PortError> {
        let built = components.iter().filter_map(|name| {
            let (_, component) = donor.component(name)?;
            Some((name, component.state.built()?.nvr.to_string()))
        });
        let built: Vec<_> = built.collect();
        let calls: Vec<Call> =
            built.iter().map(|(_, nvr)| Call::new("getBuild", [Value::from(nvr.as_str())])).collect();
        let answers = self.client.read_many(&calls).await.map_err(port_error)?;
        let mut there = Vec::new();
        for ((name, _), answer) in built.into_iter().zip(answers) {
            let answer = answer.map_err(|fault| refused("a build cannot be looked up", fault))?;
            if !answer.is_nil() && Build::from_value(answer).map_err(unreadable)?.state == BuildState::Complete {
                there.push(name.clone());
            }
        }
        Ok(there)
    }
}
