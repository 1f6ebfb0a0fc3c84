//! Jobs on many rows: their pieces, their number at a time, and their ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use tonic::Code;

use super::*;

type Numbers = std::iter::Map<std::ops::Range<u32>, fn(u32) -> Result<u32, Status>>;

fn numbers(count: u32) -> impl FnOnce() -> Result<Numbers, Status> {
    move || Ok((0..count).map(Ok as fn(u32) -> Result<u32, Status>))
}

#[tokio::test]
async fn pieces_come_in_order_and_end_as_a_whole() {
    let bulk = Bulk::new("exports", 1, &Tasks::new());
    let pieces: Vec<_> = bulk.pieces(numbers(100)).await.unwrap().collect().await;
    assert_eq!(pieces.into_iter().map(Result::unwrap).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_made_ahead_of_the_client_but_the_next_piece() {
    let (bulk, made) = (Bulk::new("exports", 1, &Tasks::new()), Arc::new(AtomicUsize::new(0)));
    let counting = made.clone();
    let count = move |number: u32| {
        counting.fetch_add(1, Ordering::SeqCst);
        Ok(number)
    };
    let open = move || Ok((0..1000).map(count));
    let mut pieces = bulk.pieces(open).await.unwrap();
    for taken in 1..=10 {
        assert!(pieces.next().await.unwrap().is_ok());
        assert!(made.load(Ordering::SeqCst) <= taken + 1);
    }
}

#[tokio::test]
async fn more_than_may_run_are_refused_and_a_place_is_free_when_one_ends() {
    let bulk = Bulk::new("exports", 2, &Tasks::new());
    let held = [bulk.pieces(numbers(9)).await.unwrap(), bulk.pieces(numbers(9)).await.unwrap()];
    let refused = bulk.run(|| ()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("2 exports run"), "{refused}");
    drop(held);
    while bulk.run(|| ()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_nobody_takes_is_cut_off_and_gives_its_place_back() {
    let bulk = Bulk { untaken: Duration::from_millis(1), ..Bulk::new("exports", 1, &Tasks::new()) };
    let mut unread = bulk.pieces(numbers(9)).await.unwrap();
    while bulk.run(|| ()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(unread.next().await.unwrap().unwrap(), 0);
    let cut = unread.next().await.unwrap().unwrap_err();
    assert_eq!(cut.code(), Code::Aborted);
    assert!(unread.next().await.is_none());
}

#[tokio::test]
async fn a_stop_cuts_off_what_is_under_way_and_says_so() {
    let tasks = Tasks::new();
    let bulk = Bulk::new("exports", 1, &tasks);
    let mut pieces = bulk.pieces(numbers(u32::MAX)).await.unwrap();
    assert!(pieces.next().await.unwrap().is_ok());
    tasks.stop();
    let end = loop {
        match pieces.next().await.unwrap() {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_source_that_does_not_open_says_why_and_one_that_panics_is_an_error() {
    let bulk = Bulk::new("exports", 1, &Tasks::new());
    let none = bulk.pieces(|| Err::<std::iter::Empty<Result<u8, _>>, _>(Status::not_found("no list"))).await;
    assert_eq!(none.unwrap_err().code(), Code::NotFound);
    let bulk = Bulk::new("verifications", 1, &Tasks::new());
    assert_eq!(bulk.run(|| panic!("on purpose")).await.unwrap_err().code(), Code::Internal);
}
