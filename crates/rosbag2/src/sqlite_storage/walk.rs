//! A walk along the row ids of a bag's messages that passes damaged stretches.

use super::database::Database;

/// A message row without its data.
pub(super) struct RowHead {
    pub id: i64,
    pub time: i64,
    /// `i64::MIN`, which no topic has, if it is no number.
    pub topic_id: i64,
}

/// Shows every row that can be reached to `visit`, in the order of the ids, and returns where it
/// could not go on and why. Over a damaged stretch it leaps in doubling steps, so that it passes
/// in few attempts, and loses at most as much again behind it.
pub(super) fn walk_rows(database: &Database, mut visit: impl FnMut(RowHead)) -> Vec<(i64, String)> {
    const MOST_FINDINGS: usize = 1000;
    let mut damage: Vec<(i64, String)> = Vec::new();
    let mut after = 0_i64;
    let mut step = 0_i64;
    loop {
        let reached = after;
        let Err(error) = walk_from(database, &mut after, &mut visit) else {
            return damage;
        };
        if step == 0 || after > reached {
            damage.push((after, format!("the rows behind it are damaged ({error})")));
            step = 1;
        } else {
            step = step.saturating_mul(2);
        }
        let Some(next) = after.checked_add(step) else {
            return damage;
        };
        if damage.len() >= MOST_FINDINGS {
            return damage;
        }
        after = next;
    }
}

/// Walks from behind the row `after`, which it moves along, to the end or to an error.
fn walk_from(
    database: &Database,
    after: &mut i64,
    visit: &mut impl FnMut(RowHead),
) -> rusqlite::Result<()> {
    let mut statement = database.prepare_cached(
        "SELECT id, timestamp, topic_id FROM messages NOT INDEXED WHERE id > ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([*after])?;
    while let Some(row) = rows.next()? {
        database.progressed();
        let id = row.get(0)?;
        if id <= *after {
            return Err(rusqlite::Error::InvalidQuery);
        }
        *after = id;
        // A time that is no number gives the message no place; it is missed in the count.
        if let Ok(time) = row.get(1) {
            let topic_id = row.get(2).unwrap_or(i64::MIN);
            visit(RowHead { id, time, topic_id });
        }
    }
    Ok(())
}
