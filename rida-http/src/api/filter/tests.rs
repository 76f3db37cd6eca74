use rida_core::BuildState;

use super::*;

/// The distribution that queries are about.
fn distribution<T>(ask: impl FnOnce(Distribution<'_>) -> T) -> T {
    let modules = [rida_core::ModuleName::new("platform").unwrap()].into();
    let mut streams = rida_core::BaseStreams::default();
    let rawhide = streams.entry("platform".parse().unwrap(), "rawhide".parse().unwrap());
    rawhide.version = Some(rida_core::StreamVersion::new(430_000));
    let tags = std::collections::BTreeMap::new();
    ask(Distribution { modules: &modules, streams: &streams, tags: &tags, arches: &[] })
}

fn try_to_read(query: &str) -> Result<ListRequest, ApiError> {
    distribution(|distribution| ListRequest::read(query, distribution))
}

fn read(query: &str) -> ListRequest {
    try_to_read(query).unwrap_or_else(|error| panic!("{query}: {error:?}"))
}

#[test]
fn nothing_asked_is_all_of_it_by_id() {
    let request = read("");
    assert_eq!(request.filter, BuildFilter::default());
    assert_eq!((request.order.clone(), request.descending, request.page), (vec![], false, None));
    assert!(!request.verbose());
}

#[test]
fn filters_are_read() {
    let filter =
        read("state=ready&state=4&name=nodejs&stream=10&version=20180920144631&context=9edba152&owner=a%20b").filter;
    assert_eq!(filter.states, [BuildState::Ready, BuildState::Failed]);
    assert_eq!(filter.name.as_deref(), Some("nodejs"));
    assert_eq!(filter.version, Some(20_180_920_144_631));
    assert_eq!(filter.owner.as_deref(), Some("a b"));
    let filter = read("nsvc=nodejs:10:7:c0ffee").filter;
    assert_eq!(
        (filter.stream.as_deref(), filter.version, filter.context.as_deref()),
        (Some("10"), Some(7), Some("c0ffee"))
    );
    assert_eq!(read("nsvc=nodejs").filter, BuildFilter { name: Some("nodejs".to_owned()), ..BuildFilter::default() });
    let filter = read("completed_before=2026-01-31T12:00:00Z&modified_after=2026-01-31T12:00:00%2B01:00").filter;
    assert!(filter.completed_before.is_some() && filter.modified_after.is_some());
}

#[test]
fn orders_are_read() {
    let request = read("order_desc_by=time_modified&page=2&verbose=TRUE");
    assert_eq!((request.order.clone(), request.descending), (vec![OrderKey::Modified], true));
    assert_eq!(request.page, Some(Page { number: 2, size: 10 }));
    assert!(request.verbose());
}

#[test]
fn base_modules_are_read() {
    let base = |query: &str| read(query).filter.base_module.unwrap();
    let whole = base("base_module_br=platform:f28:1:00000000");
    assert_eq!((whole.name.as_deref(), whole.stream.as_deref()), (Some("platform"), Some("f28")));
    assert_eq!(whole, base("base_module_br_name=platform&base_module_br_stream=f28&base_module_br_version=1"));
    let number = |number| Some(rida_core::StreamVersion::new(number));
    let range = base("base_module_br_stream_version_lte=289999.0&base_module_br_stream_version_gte=280000");
    assert_eq!((range.least, range.most), (number(280_000), number(289_999)));
    assert_eq!(range.numbers.values().copied().collect::<Vec<_>>(), [number(430_000).unwrap()]);
    let exactly = base("base_module_br_stream_version=280000");
    assert_eq!((exactly.least, exactly.most), (number(280_000), number(280_000)));
    assert!(!read("base_module_br=platform:f28:1:00000000").nothing);
    for other in ["base_module_br=platform:f28:2:00000000", "base_module_br_context=c0ffee", "state=garbage", "state=6"]
    {
        assert!(read(other).nothing, "{other}");
    }
    let mixed = read("state=garbage&state=ready");
    assert!(!mixed.nothing && mixed.filter.states == [BuildState::Ready]);
    assert!(read("reused_module_id=0").nothing && !read("reused_module_id=7").nothing);
    let several = read("order_desc_by=stream_version&order_desc_by=version&order_desc_by=name");
    assert_eq!(several.order, [OrderKey::Version, OrderKey::Name]);
}

#[test]
fn what_cannot_be_is_refused() {
    let bad = [
        "colour=red",
        "state=",
        "state=99",
        "state=-1",
        "state=READY",
        "name=",
        "name=a&name=b",
        "version=x",
        "version=-1",
        "version=18446744073709551616",
        "nsvc=a:b:c:d",
        "nsvc=a:b:1:c:d",
        "nsvc=a::1",
        "nsvc=",
        "nsvc=a&name=a",
        "submitted_after=2016-99-99T00:00:00Z",
        "order_by=modulemd",
        "order_by=id;drop",
        "order_by=id&order_desc_by=id",
        "order_by=id&order_by=modulemd",
        "order_by=",
        "state=garbage7",
        "rebuild_strategy=some",
        "reused_module_id=-1",
        "base_module_br=platform:f28",
        "base_module_br=platform:f28:1:",
        "base_module_br=platform:f28:1:00000000:x",
        "base_module_br=platform:f28:1:00000000&base_module_br_name=platform",
        "base_module_br_stream_version=abc",
        "base_module_br_stream_version_lte=1e9",
        "base_module_br_stream_version=1&base_module_br_stream_version_gte=1",
        "virtual_stream=f28",
        "stream_version=280000",
        "verbose=yes",
        "verbose",
        "id=7",
        "=",
        "%00=%00",
    ];
    for query in bad {
        let error = try_to_read(query).unwrap_err();
        assert_eq!(error.status().as_u16(), 400, "{query}");
    }
    let said = format!("{:?}", try_to_read("colour=red&x=1").unwrap_err());
    assert!(said.contains("colour") && said.contains("completed_before"), "{said}");
}

#[test]
fn text_of_users_is_a_value_and_nothing_else() {
    let sqli = "name=%27%20OR%201%3D1--&stream=%3Cscript%3E&context=%00";
    let filter = read(sqli).filter;
    assert_eq!(filter.name.as_deref(), Some("' OR 1=1--"));
    assert_eq!(filter.stream.as_deref(), Some("<script>"));
}
