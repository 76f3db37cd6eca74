//! What lists say of base modules: the ones that builds are built against, and these themselves.

use rida_core::{BaseModuleFilter, StreamVersion};

use crate::api::object::shown;
use crate::api::service::{BASE_CONTEXT, BASE_VERSION, Distribution};
use crate::api::{Parameters, filter::put};
use crate::reply::ApiError;

/// The lowest number that a range of streams may end with: that of the first major one.
const FIRST_MAJOR: u32 = 10_000;

/// A range of numbers of streams, of which either end may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct StreamRange {
    pub(crate) least: Option<StreamVersion>,
    pub(crate) most: Option<StreamVersion>,
}

/// Reads which base modules builds are built against.
pub(super) fn base_module(
    parameters: &Parameters,
    distribution: Distribution<'_>,
    nothing: &mut bool,
) -> Result<Option<BaseModuleFilter>, ApiError> {
    let part = |name: &str| parameters.one(&format!("base_module_br_{name}")).map(|text| text.map(str::to_owned));
    let [mut name, mut stream, mut version, mut context] =
        [part("name")?, part("stream")?, part("version")?, part("context")?];
    if let Some(nsvc) = parameters.one("base_module_br")? {
        let parts: Vec<&str> = nsvc.split(':').collect();
        let (4, true) = (parts.len(), parts.iter().all(|part| !part.is_empty())) else {
            let nsvc = shown(nsvc);
            return Err(ApiError::bad_request(format!(
                "base_module_br={nsvc} is not name, stream, version and context joined by colons"
            )));
        };
        for (slot, part) in [&mut name, &mut stream, &mut version, &mut context].into_iter().zip(parts) {
            put(slot, Some(part.to_owned())).map_err(|()| {
                ApiError::bad_request("parts of base_module_br are given twice, by themselves and in it")
            })?;
        }
    }
    let number = |name: &str| number(parameters, &format!("base_module_br_stream_version{name}"));
    let (exactly, most, least) = (number("")?, number("_lte")?, number("_gte")?);
    if exactly.is_some() && (most.is_some() || least.is_some()) {
        return Err(ApiError::bad_request(
            "base_module_br_stream_version is given beside a range of it; give one of them",
        ));
    }
    let (least, most) = (least.or(exactly), most.or(exactly));
    let version_is_right = version.as_ref().is_none_or(|version| *version == BASE_VERSION.to_string());
    // Every base module has the same version and context.
    *nothing |= !version_is_right || context.as_ref().is_some_and(|context| context != BASE_CONTEXT);
    let asked = [&name, &stream, &version, &context].into_iter().any(Option::is_some);
    let numbered = least.is_some() || most.is_some();
    let numbers = if numbered { distribution.numbers() } else { Default::default() };
    Ok((asked || numbered).then_some(BaseModuleFilter { name, stream, least, most, numbers }))
}

/// Reads which numbers the streams of base modules themselves may have.
pub(super) fn own_range(parameters: &Parameters) -> Result<StreamRange, ApiError> {
    let (exactly, most) = (number(parameters, "stream_version")?, number(parameters, "stream_version_lte")?);
    match (exactly, most) {
        (Some(_), Some(_)) => {
            Err(ApiError::bad_request("stream_version is given beside stream_version_lte; give one of them"))
        }
        (exactly, None) => Ok(StreamRange { least: exactly, most: exactly }),
        // Up to a number means: of those with the same major one.
        (None, Some(most)) if most >= StreamVersion::new(FIRST_MAJOR) => {
            Ok(StreamRange { least: Some(most.major()), most: Some(most) })
        }
        (None, Some(most)) => Err(ApiError::bad_request(format!(
            "stream_version_lte={most} is below {FIRST_MAJOR}, the number of the first major stream"
        ))),
    }
}

/// Reads the number of a stream, such as `280000` or `80100.3`.
fn number(parameters: &Parameters, name: &str) -> Result<Option<StreamVersion>, ApiError> {
    let Some(text) = parameters.one(name)? else { return Ok(None) };
    let bad =
        |_| ApiError::bad_request(format!("{name}={} is not the number of a stream, such as 280000", shown(text)));
    text.parse().map(Some).map_err(bad)
}
