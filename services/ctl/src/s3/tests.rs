//! Backups in a storage in memory: whole and marked, or not there.

use std::cell::Cell;

use ::store::{ArchiveHead, ArchiveOut, Store, StoreConfig};
use futures::{Stream, StreamExt, stream};
use object_store::{ObjectStoreExt, memory::InMemory};

use super::{
    place::{SUM_ENDING, cluster_of},
    upload::sum_of,
    *,
};

const DAY_S: i64 = 24 * 3600;
const NAME: &str = "demo-20260921T141320Z.ocsbackup";

fn place(url: &str) -> Place {
    Place::required(std::path::Path::new(url)).unwrap()
}

/// A folder in memory; a backup has several parts.
fn storage() -> Storage {
    Storage { store: Arc::new(InMemory::new()), place: place("s3://bucket/ocs/"), part_bytes: 128 }
}

fn fault(error: std::io::Error) -> Failure {
    Failure::Refused(error.to_string())
}

/// A backup of an empty state in pieces, as a node sends them.
fn pieces() -> Vec<Vec<u8>> {
    let home = tempfile::tempdir().unwrap();
    let config = StoreConfig { cache_bytes: 8 << 20, ..StoreConfig::new([5; 16]) };
    let state = Store::open(&home.path().join("state"), config).unwrap();
    let about = ArchiveHead {
        cluster_id: "demo".to_owned(),
        node: "a".to_owned(),
        created_us: 1_790_000_000_000_000,
        ..ArchiveHead::default()
    };
    let whole: Vec<u8> = ArchiveOut::new(&state.reader().snapshot(), about).flat_map(Result::unwrap).collect();
    whole.chunks(100).map(<[u8]>::to_vec).collect()
}

fn sent(pieces: Vec<Vec<u8>>) -> impl Stream<Item = Result<Vec<u8>, Failure>> + Unpin {
    stream::iter(pieces.into_iter().map(Ok))
}

async fn put(storage: &Storage, name: &str) {
    storage.put(name, sent(pieces()), std::future::pending(), |_| {}).await.unwrap();
}

async fn objects(storage: &Storage) -> Vec<String> {
    let listed = storage.store.list_with_delimiter(Some(&Path::from("ocs"))).await.unwrap();
    let mut names: Vec<String> = listed.objects.iter().map(|object| object.location.to_string()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_backup_of_several_parts_is_an_object_and_its_sum_and_comes_back_whole() {
    let (storage, whole) = (storage(), pieces().concat());
    let seen = Cell::new(0);
    let sent = storage.put(NAME, sent(pieces()), std::future::pending(), |bytes| seen.set(bytes)).await.unwrap();
    assert_eq!(
        (sent.bytes, sent.head.cluster_id.as_str(), seen.get()),
        (whole.len() as u64, "demo", whole.len() as u64)
    );
    assert_eq!(objects(&storage).await, [format!("ocs/{NAME}"), format!("ocs/{}", sum_of(NAME))]);
    let sum = storage.store.get(&Path::from(format!("ocs/{}", sum_of(NAME)))).await.unwrap().bytes().await.unwrap();
    assert_eq!(sum, format!("{}  {NAME}\n", sent.sha256).as_bytes());
    let mut fetched = Vec::new();
    storage.fetch(NAME, &mut fetched, fault, |_| {}).await.unwrap();
    assert!(fetched == whole);
    assert_eq!(storage.newest().await.unwrap(), NAME);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_interrupted_or_damaged_leaves_nothing() {
    let storage = storage();
    let cut = pieces()[..1].to_vec();
    let mut damaged = pieces();
    let last = damaged.len() - 1;
    damaged[last][0] ^= 1;
    for bytes in [cut, damaged] {
        let told = storage.put(NAME, sent(bytes), std::future::pending(), |_| {}).await.unwrap_err();
        assert!(told.to_string().contains("was not kept"), "{told}");
    }
    let failing = stream::iter([Ok(pieces()[0].clone()), Err(Failure::Refused("the node is gone".to_owned()))]);
    let told = storage.put(NAME, failing, std::future::pending(), |_| {}).await.unwrap_err();
    assert_eq!(told.to_string(), "the node is gone");
    let endless = stream::iter([Ok(pieces()[0].clone())]).chain(stream::pending());
    let told = storage.put(NAME, endless, std::future::ready("SIGINT"), |_| {}).await.unwrap_err();
    assert!(told.to_string().contains("interrupted by SIGINT"), "{told}");
    assert_eq!(objects(&storage).await, Vec::<String>::new());
    assert!(storage.newest().await.unwrap_err().to_string().contains("there is no backup"));
}

#[tokio::test]
async fn an_object_without_its_sum_is_no_backup_and_one_with_another_sum_is_refused() {
    let storage = storage();
    put(&storage, NAME).await;
    storage.store.put(&Path::from(format!("ocs/{}", sum_of(NAME))), "0  x\n".into()).await.unwrap();
    let told = storage.fetch(NAME, std::io::sink(), fault, |_| {}).await.unwrap_err();
    assert!(told.to_string().contains("its SHA-256 is not that of"), "{told}");
    storage.store.delete(&Path::from(format!("ocs/{}", sum_of(NAME)))).await.unwrap();
    let kept = storage.list().await.unwrap();
    assert_eq!(kept.iter().map(|kept| (kept.name.as_str(), kept.is_marked)).collect::<Vec<_>>(), [(NAME, false)]);
    assert!(storage.newest().await.is_err());
    assert!(storage.fetch(NAME, std::io::sink(), fault, |_| {}).await.is_ok(), "the file has sums of its own");
}

#[tokio::test]
async fn other_objects_and_other_folders_are_no_backups() {
    let storage = storage();
    put(&storage, NAME).await;
    for other in ["ocs/notes.txt", "ocs/deeper/demo-20260921T141321Z.ocsbackup", "ocsx/demo-20260921T141322Z.ocsbackup"]
    {
        storage.store.put(&Path::from(other), "x".into()).await.unwrap();
    }
    assert_eq!(storage.list().await.unwrap().len(), 1);
    assert!(storage.has(NAME).await.unwrap() && !storage.has("none.ocsbackup").await.unwrap());
    storage.remove(NAME).await.unwrap();
    storage.remove(NAME).await.unwrap();
    assert_eq!(objects(&storage).await, ["ocs/notes.txt"]);
}

#[test]
fn the_newest_of_each_cluster_stay_and_so_does_what_is_not_known() {
    let kept =
        |name: &str, uploaded_s: i64, is_marked: bool| Kept { name: name.into(), bytes: 1, uploaded_s, is_marked };
    let of = |cluster: &str, second: u32| format!("{cluster}-20260921T14132{second}Z.ocsbackup");
    let all = [
        kept(&of("demo", 3), 0, true), // uploaded first, and yet the newest
        kept(&of("demo", 1), 1, true),
        kept(&of("demo", 2), 2, true),
        kept(&of("other", 1), 3, true),
        kept(&of("demo", 4), 4, false),
        kept(&of("demo", 5), DAY_S + 50, false),
        kept("monthly.ocsbackup", 0, true),
        kept("demo-old.ocsbackup", 0, false),
    ];
    let now_s = DAY_S + 100;
    assert_eq!(surplus(&all, 2, now_s), [of("demo", 4), of("demo", 1)]);
    assert_eq!(surplus(&all, 1, now_s), [of("demo", 4), of("demo", 1), of("demo", 2)]);
    assert_eq!(surplus(&all, 9, 0), Vec::<String>::new());
}

#[test]
fn a_url_names_a_folder_or_a_backup_in_a_folder() {
    for (url, bucket, folder, name) in [
        ("s3://b", "b", "", None),
        ("s3://b/", "b", "", None),
        ("s3://b/x/y/", "b", "x/y", None),
        ("s3://b/d.ocsbackup", "b", "", Some("d.ocsbackup")),
        ("s3://my.bucket-1/x/d.ocsbackup", "my.bucket-1", "x", Some("d.ocsbackup")),
    ] {
        let place = place(url);
        assert_eq!((place.bucket(), place.folder(), place.name().unwrap()), (bucket, folder, name), "{url}");
    }
    assert_eq!(place("s3://b/x/y").into_folder(), place("s3://b/x/y/"));
    assert_eq!(place("s3://b/x").into_folder(), place("s3://b/x/"));
    assert_eq!(place("s3://b/x/").url("n"), "s3://b/x/n");
    assert_eq!(place("s3://b").url("n"), "s3://b/n");
    assert!(place("s3://b/x/today").name().unwrap_err().to_string().contains("ends in .ocsbackup"));
    for wrong in ["s3://", "s3:///x", "s3://b//x", "s3://b/x//y", "s3://a b/x"] {
        assert!(Place::of(std::path::Path::new(wrong)).is_err(), "{wrong}");
    }
    for file in ["/var/backups/x", "-", "s3:/b", "S3://b"] {
        assert_eq!(Place::of(std::path::Path::new(file)).unwrap(), None, "{file}");
    }
}

#[test]
fn names_are_those_of_the_nodes_files_and_tell_their_cluster() {
    let head = ArchiveHead { cluster_id: "demo/1".into(), created_us: 1_790_000_000_000_000, ..ArchiveHead::default() };
    let name = name_of(&head);
    assert_eq!((name.as_str(), cluster_of(&name)), ("demo_1-20260921T141320Z.ocsbackup", Some("demo_1")));
    assert_eq!(sum_of(&name), "demo_1-20260921T141320Z.ocsbackup.sha256");
    assert!(sum_of(&name).ends_with(SUM_ENDING));
    for other in
        ["monthly.ocsbackup", "demo-20260921T14132Z.ocsbackup", "20260921T141320Z.ocsbackup", "é.ocsbackup", ""]
    {
        assert_eq!(cluster_of(other), None, "{other}");
    }
}

#[test]
fn options_win_over_the_environment_and_plain_http_is_taken_where_it_is_named() {
    let none = |_: &str| None;
    let args = |endpoint: &str| S3Args { s3_endpoint: Some(endpoint.to_owned()), ..S3Args::default() };
    let value = |builder: &AmazonS3Builder, key: AmazonS3ConfigKey| builder.get_config_value(&key).unwrap_or_default();
    let of_test = builder("b", &args("http://127.0.0.1:9000"), none);
    assert_eq!(value(&of_test, AmazonS3ConfigKey::S3Endpoint), "http://127.0.0.1:9000");
    assert_eq!(value(&of_test, AmazonS3ConfigKey::Bucket), "b");
    let allow_http = AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp);
    assert_eq!(value(&of_test, allow_http), "true");
    assert_eq!(value(&builder("b", &args("https://s3.example.com"), none), allow_http), "false");
    let region = |args: &S3Args| {
        let of_environment = |name: &str| Some("eu-west-1".to_owned()).filter(|_| name == "AWS_REGION");
        value(&builder("b", args, of_environment), AmazonS3ConfigKey::Region)
    };
    assert_eq!(region(&S3Args::default()), "eu-west-1");
    assert_eq!(region(&S3Args { s3_region: Some("eu-central-1".into()), ..S3Args::default() }), "eu-central-1");
    let styled = S3Args { s3_style: Some(S3Style::Virtual), ..S3Args::default() };
    assert_eq!(value(&builder("b", &styled, none), AmazonS3ConfigKey::VirtualHostedStyleRequest), "true");
}
