//! Change notifications: who is called when something happens in a mailbox.
//!
//! <https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>

use std::{collections::HashSet, sync::Arc, time::Duration};

use reqwest::{Client, header};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Notify;
use url::Url;

use super::{
    super::{
        Shared,
        subscriptions::{EventKind, Notice, Subscription},
    },
    Ask, Call, Caller, Refusal, Reply,
    resources::random_id,
};
use crate::clock::write_time;

/// How long a subscription lasts at most.
const LONGEST: Duration = Duration::from_mins(4230);
/// How long a receiver may take to prove that it is one, and to take a notification.
const VALIDATION: Duration = Duration::from_secs(10);
const RECEIPT: Duration = Duration::from_secs(3);

/// A subscription over Graph.
#[derive(Clone, Debug)]
pub(in crate::exchange) struct Hook {
    id: String,
    owner: String,
    pub(in crate::exchange) mailbox: u32,
    number: u64,
    resource: String,
    changes: String,
    state: String,
    notification_url: String,
    lifecycle_url: Option<String>,
    expires: OffsetDateTime,
}

impl Hook {
    fn json(&self) -> Value {
        json!({
            "id": self.id, "resource": self.resource, "changeType": self.changes, "notificationUrl": self.notification_url,
            "lifecycleNotificationUrl": self.lifecycle_url, "expirationDateTime": write_time(self.expires), "applicationId": "crm-app",
        })
    }
}

/// Requests about subscriptions.
pub(super) async fn serve(shared: &Arc<Shared>, caller: &Caller, ask: &Ask) -> Result<Reply, Refusal> {
    let path: Vec<&str> = ask.path().iter().map(String::as_str).collect();
    match (ask.method.as_str(), path.as_slice()) {
        ("POST", ["subscriptions"]) => subscribe(shared, caller, ask).await,
        ("GET", ["subscriptions"]) => {
            let hooks: Vec<Value> = shared
                .world()
                .hooks
                .values()
                .filter(|hook| hook.owner == caller.name)
                .map(Hook::json)
                .collect();
            Ok(Reply::json(200, &json!({ "value": hooks })))
        }
        ("GET", ["subscriptions", id]) => Ok(Reply::json(200, &find(shared, caller, id)?.json())),
        ("PATCH", ["subscriptions", id]) => {
            let mut hook = find(shared, caller, id)?;
            hook.expires = expiry(shared, &ask.json()?)?;
            shared.world().hooks.insert(hook.id.clone(), hook.clone());
            Ok(Reply::json(200, &hook.json()))
        }
        ("POST", ["subscriptions", id, "reauthorize"]) => find(shared, caller, id).map(|_| Reply::empty(204)),
        ("DELETE", ["subscriptions", id]) => {
            let hook = find(shared, caller, id)?;
            remove(shared, &hook);
            Ok(Reply::empty(204))
        }
        _ => Err(Refusal::new(400, "BadRequest", "Resource not found for the segment.")),
    }
}

fn find(shared: &Shared, caller: &Caller, id: &str) -> Result<Hook, Refusal> {
    let now = shared.now();
    let world = shared.world();
    let hook = world.hooks.get(id).filter(|hook| hook.owner == caller.name && hook.expires > now);
    hook.cloned()
        .ok_or_else(|| Refusal::new(404, "ResourceNotFound", "The object was not found."))
}

fn remove(shared: &Shared, hook: &Hook) {
    let mut world = shared.world();
    world.hooks.remove(&hook.id);
    let gone = world
        .mailbox_mut(hook.mailbox)
        .and_then(|held| held.subscriptions.remove(&hook.number));
    if let Some(gone) = gone {
        gone.wake.notify_one();
    }
}

fn expiry(shared: &Shared, body: &Value) -> Result<OffsetDateTime, Refusal> {
    let text = body["expirationDateTime"].as_str().unwrap_or_default();
    let wish =
        OffsetDateTime::parse(text, &Rfc3339).map_err(|_| Refusal::new(400, "ExtensionError", "The expirationDateTime is invalid."))?;
    let now = shared.now();
    if wish <= now {
        return Err(Refusal::new(
            400,
            "ExtensionError",
            "Subscription expiration can only be in the future.",
        ));
    }
    Ok(wish.min(now + LONGEST))
}

async fn subscribe(shared: &Arc<Shared>, caller: &Caller, ask: &Ask) -> Result<Reply, Refusal> {
    let body = ask.json()?;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let invalid = |text: &str| Refusal::new(400, "InvalidRequest", text);
    let (changes, state) = (text("changeType"), text("clientState"));
    if state.len() > 128 {
        return Err(invalid("The clientState is longer than 128 characters."));
    }
    let events = changes.split(',').map(|change| match change {
        "created" => Ok(EventKind::Created),
        "updated" => Ok(EventKind::Modified),
        "deleted" => Ok(EventKind::Deleted),
        _ => Err(invalid("The changeType is invalid.")),
    });
    let mut events = events.collect::<Result<Vec<_>, _>>()?;
    // A move is one folder's deletion and another one's creation.
    events.push(EventKind::Moved);
    let resource = text("resource");
    let of = Ask::new(&ask.method, &resource, &Default::default(), Default::default());
    let mailbox = caller
        .target(shared, &of)?
        .ok_or_else(|| invalid("The resource is not known to the simulator."))?;
    if !caller.may_subscribe(mailbox) {
        return Err(Refusal::new(
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        ));
    }
    let call = Call {
        shared: shared.clone(),
        caller: caller.clone(),
        mailbox: Some(mailbox),
        fault: None,
    };
    let folder = match of.below_user() {
        [folders, folder, messages] if folders == "mailFolders" && messages == "messages" => Some(call.find_folder(mailbox, folder)?),
        [messages] if messages == "messages" => None,
        _ => return Err(invalid("The resource is not known to the simulator.")),
    };
    let expires = expiry(shared, &body)?;
    let client = Client::builder().no_proxy().build().map_err(|_| invalid("There is no client."))?;
    let lifecycle = body["lifecycleNotificationUrl"].as_str().map(str::to_owned);
    for url in [Some(text("notificationUrl")), lifecycle.clone()].into_iter().flatten() {
        validate(shared, &client, &url).await?;
    }
    let wake = Arc::new(Notify::new());
    let hook = {
        let subscription = Subscription {
            owner: caller.name.clone(),
            payer: mailbox,
            back_end: 0,
            folders: folder.map(|folder| HashSet::from([folder])),
            events,
            waiting: Default::default(),
            wake: wake.clone(),
        };
        let mut world = shared.world();
        let limit = shared.limits.subscriptions;
        let number = world.subscribe(mailbox, subscription, limit);
        let number = number.ok_or_else(|| Refusal::new(403, "ExtensionError", "The number of subscriptions is over the limit."))?;
        let hook = Hook {
            id: format!("{}-{number}", random_id(shared)),
            owner: caller.name.clone(),
            mailbox,
            number,
            resource,
            changes,
            state,
            notification_url: text("notificationUrl"),
            lifecycle_url: lifecycle,
            expires,
        };
        world.hooks.insert(hook.id.clone(), hook.clone());
        hook
    };
    tokio::spawn(tell(shared.clone(), client, hook.id.clone(), wake, hook.lifecycle_url.clone()));
    Ok(Reply::json(201, &hook.json()))
}

/// Whether somebody answers there who wants to be called.
async fn validate(shared: &Shared, client: &Client, url: &str) -> Result<(), Refusal> {
    let failed = |why: &str| {
        let text = format!("Subscription validation request failed. {why}");
        Refusal::new(400, "ValidationError", &text)
    };
    let token = format!("Validation: <{}> & more", random_id(shared));
    let mut url = Url::parse(url).map_err(|_| failed("The notification endpoint is no URL."))?;
    url.query_pairs_mut().append_pair("validationToken", &token);
    let request = client.post(url).timeout(VALIDATION);
    let request = request.header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    let answer = request
        .send()
        .await
        .map_err(|_| failed("The notification endpoint did not answer."))?;
    let plain = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok()?.split(';').next());
    let plain = plain == Some("text/plain");
    let status = answer.status();
    let said = answer.text().await.unwrap_or_default();
    if status != 200 || !plain || said != token {
        return Err(failed(&format!(
            "Notification endpoint must respond with 200 OK and the token in text/plain; it said {status}."
        )));
    }
    Ok(())
}

/// Tells of what happens until the subscription ends.
async fn tell(shared: Arc<Shared>, client: Client, id: String, wake: Arc<Notify>, lifecycle_url: Option<String>) {
    loop {
        tokio::select! {
            () = wake.notified() => {}
            () = shared.stop.cancelled() => return,
        }
        let (hook, notices) = {
            let now = shared.now();
            let mut world = shared.world();
            let Some(hook) = world.hooks.get(&id).cloned() else { return };
            let held = world
                .mailbox_mut(hook.mailbox)
                .and_then(|held| held.subscriptions.get_mut(&hook.number));
            let notices: Option<Vec<Notice>> = held.filter(|_| hook.expires > now).map(|held| held.waiting.drain(..).collect());
            if notices.is_none() {
                world.hooks.remove(&id);
            }
            (hook, notices)
        };
        let Some(notices) = notices else {
            // Forgotten by the server.
            if let Some(url) = &lifecycle_url {
                post(&client, url, &lifecycle(&hook, "subscriptionRemoved")).await;
            }
            return;
        };
        let value: Vec<Value> = notices.iter().map(|notice| notification(&shared, &hook, notice)).collect();
        if !value.is_empty() {
            post(&client, &hook.notification_url, &json!({ "value": value })).await;
        }
    }
}

fn notification(shared: &Shared, hook: &Hook, notice: &Notice) -> Value {
    let change = match notice.event {
        EventKind::Created | EventKind::NewMail | EventKind::Moved => "created",
        EventKind::Modified => "updated",
        EventKind::Deleted => "deleted",
    };
    let id = super::resources::for_urls(&shared.ids.item(hook.mailbox, notice.serial));
    json!({
        "subscriptionId": hook.id, "clientState": hook.state, "changeType": change, "resource": format!("{}/{id}", hook.resource),
        "subscriptionExpirationDateTime": write_time(hook.expires), "tenantId": "directory",
        "resourceData": { "@odata.type": "#Microsoft.Graph.Message", "id": id },
    })
}

fn lifecycle(hook: &Hook, event: &str) -> Value {
    json!({ "value": [{
        "subscriptionId": hook.id, "clientState": hook.state, "lifecycleEvent": event, "resource": hook.resource, "tenantId": "directory",
        "subscriptionExpirationDateTime": write_time(hook.expires),
    }]})
}

/// Calls a receiver, a few times if it does not take it.
async fn post(client: &Client, url: &str, body: &Value) {
    for pause in [0, 100, 500] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let request = client.post(url).timeout(RECEIPT).header(header::CONTENT_TYPE, "application/json");
        let answer = request.body(body.to_string()).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
    }
}

/// Tells the receivers of a mailbox's notifications about their subscriptions.
pub(in crate::exchange) async fn tell_lifecycle(shared: &Shared, mailbox: u32, event: &str) {
    let hooks: Vec<Hook> = shared
        .world()
        .hooks
        .values()
        .filter(|hook| hook.mailbox == mailbox)
        .cloned()
        .collect();
    let Ok(client) = Client::builder().no_proxy().build() else { return };
    for hook in hooks {
        if let Some(url) = &hook.lifecycle_url {
            post(&client, url, &lifecycle(&hook, event)).await;
        }
    }
}
