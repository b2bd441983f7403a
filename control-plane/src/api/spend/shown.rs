//! What was spent, for answers about keys, teams, users and members: in the window of their budget.

use bulkhead_model::{UnixMillis, Window};
use sqlx::PgConnection;

use crate::api::call::Times;
use crate::api::refusal::Refusal;
use crate::domain::time::millis;
use crate::store::keys::StoredKey;
use crate::store::members::StoredMember;
use crate::store::spend::{Asked, Spent, spent};
use crate::store::teams::StoredTeam;
use crate::store::terms::{Stamp, Terms};
use crate::store::usage::Holder;
use crate::store::users::StoredUser;

fn window(length: Option<&str>, times: &Times) -> Option<UnixMillis> {
    Some(Window::containing(times.now, length?.parse().ok()?, &times.zone).start)
}

fn of_terms(holder: Holder<'_>, terms: &Terms, stamp: &Stamp, times: &Times) -> Asked {
    // What is counted begins when the row was made, or its spend said anew: in a window that began before that, it is
    // all that counts.
    let since = millis(stamp.created_at).max(UnixMillis(terms.spend_generation));
    let window = window(terms.budget_duration.as_deref(), times).filter(|start| since < *start);
    Asked { row: holder.row(), base: terms.spend, window }
}

/// Keys that are only shown from now on: with what they spent, and when last.
pub(crate) async fn keys(
    connection: &mut PgConnection,
    keys: &mut [StoredKey],
    times: &Times,
) -> Result<(), Refusal> {
    let asked: Vec<_> =
        keys.iter().map(|key| of_terms(Holder::Key(&key.id), &key.terms, &key.stamp, times)).collect();
    for (key, Spent { amount, last_active }) in keys.iter_mut().zip(spent(connection, &asked).await?) {
        key.terms.spend = amount;
        key.last_active = last_active;
    }
    Ok(())
}

/// Users that are only shown from now on, with what they spent.
pub(crate) async fn users(
    connection: &mut PgConnection,
    users: &mut [StoredUser],
    times: &Times,
) -> Result<(), Refusal> {
    let asked: Vec<_> =
        users.iter().map(|user| of_terms(Holder::User(&user.id), &user.terms, &user.stamp, times)).collect();
    for (user, spent) in users.iter_mut().zip(spent(connection, &asked).await?) {
        user.terms.spend = spent.amount;
    }
    Ok(())
}

/// Teams that are only shown from now on, with what they spent.
pub(crate) async fn teams(
    connection: &mut PgConnection,
    teams: &mut [StoredTeam],
    times: &Times,
) -> Result<(), Refusal> {
    let asked: Vec<_> =
        teams.iter().map(|team| of_terms(Holder::Team(&team.id), &team.terms, &team.stamp, times)).collect();
    for (team, spent) in teams.iter_mut().zip(spent(connection, &asked).await?) {
        team.terms.spend = spent.amount;
    }
    Ok(())
}

/// Members that are only shown from now on, with what they spent.
pub(crate) async fn members(
    connection: &mut PgConnection,
    members: &mut [StoredMember],
    times: &Times,
) -> Result<(), Refusal> {
    let asked: Vec<_> = members
        .iter()
        .map(|member| Asked {
            row: Holder::Member(&member.team_id, &member.user_id).row(),
            base: member.spend,
            window: window(member.budget_duration.as_deref(), times),
        })
        .collect();
    for (member, spent) in members.iter_mut().zip(spent(connection, &asked).await?) {
        member.spend = spent.amount;
    }
    Ok(())
}
