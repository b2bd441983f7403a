//! What can be said about models. `litellm_params` and `model_info` are read by the parser of gateway.yaml.

use serde_json::{Map, Value};

use crate::domain::body::body;
use crate::domain::field::Name;

body! {
    /// `/model/new`
    ModelNew { model_name: Name, litellm_params: Map<String, Value>, model_info: Map<String, Value>, blocked: bool }
}

body! {
    /// `/model/update`; LiteLLM's own client names the model by `id`
    ModelUpdate { id: Name, model_name: Name, litellm_params: Map<String, Value>, model_info: Map<String, Value>, blocked: bool }
}

body! {
    /// `/model/delete`
    ModelName { id: Name, model_id: Name }
}
