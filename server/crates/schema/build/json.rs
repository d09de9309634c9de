//! The JSON side: every type reachable from the served kinds, as `k8s-openapi` describes it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use k8s_openapi::{ListableResource, Resource};
use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Value, json};

/// The types by their published name, and which of them are kinds.
pub(crate) struct Types {
    /// Schema by name, such as `io.k8s.api.core.v1.Pod`.
    pub(crate) definitions: BTreeMap<String, Value>,
    /// `group/version/Kind` rows by type name.
    pub(crate) kinds: BTreeMap<String, Vec<String>>,
}

struct Collector {
    generator: SchemaGenerator,
    kinds: BTreeMap<String, Vec<String>>,
    lists: BTreeMap<String, Value>,
}

impl Collector {
    fn plain<T: JsonSchema>(&mut self, gvk: &[&str]) {
        self.generator.subschema_for::<T>();
        self.kinds.insert(
            T::schema_name().into_owned(),
            gvk.iter().map(|s| (*s).to_owned()).collect(),
        );
    }

    fn single<T: JsonSchema + Resource>(&mut self) {
        let gvk = format!("{}/{}/{}", T::GROUP, T::VERSION, T::KIND);
        self.plain::<T>(&[&gvk]);
    }

    /// A kind and its list kind, whose schema the crate leaves out because all lists are one generic type.
    fn listed<T: JsonSchema + ListableResource>(&mut self) {
        self.single::<T>();
        let item = T::schema_name().into_owned();
        let package = item.strip_suffix(T::KIND).expect("named after the kind");
        let name = format!("{package}{}", T::LIST_KIND);
        let gvk = format!("{}/{}/{}", T::GROUP, T::VERSION, T::LIST_KIND);
        self.kinds.insert(name.clone(), vec![gvk]);
        self.lists
            .insert(name, list_schema(T::LIST_KIND, T::KIND, &item));
    }
}

fn list_schema(list: &str, kind: &str, item: &str) -> Value {
    json!({
        "description": format!("{list} is a list of {kind} objects."),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"},
            "kind": {"type": "string", "description": "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"},
            "metadata": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta", "description": "Standard list metadata."},
            "items": {"type": "array", "description": format!("The {kind} objects of the list."), "items": {"$ref": format!("#/components/schemas/{item}")}},
        },
    })
}

macro_rules! listed {
    ($c:ident, $($module:ident)::+ : $($kind:ident)+) => {
        {
            use k8s_openapi::$($module)::+ as module;
            $( $c.listed::<module::$kind>(); )+
        }
    };
}

macro_rules! single {
    ($c:ident, $($module:ident)::+ : $($kind:ident)+) => {
        {
            use k8s_openapi::$($module)::+ as module;
            $( $c.single::<module::$kind>(); )+
        }
    };
}

/// Walks every kind that a v1.36 control plane serves by default.
pub(crate) fn collect() -> Types {
    let mut c = Collector {
        generator: SchemaSettings::openapi3().into_generator(),
        kinds: BTreeMap::new(),
        lists: BTreeMap::new(),
    };
    core_and_workloads(&mut c);
    everything_else(&mut c);
    let mut definitions: BTreeMap<String, Value> =
        c.generator.take_definitions(true).into_iter().collect();
    definitions.append(&mut c.lists);
    Types {
        definitions,
        kinds: c.kinds,
    }
}

fn core_and_workloads(c: &mut Collector) {
    listed!(c, api::core::v1: ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume
        PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount);
    single!(c, api::core::v1: Binding);
    listed!(c, api::apps::v1: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet);
    listed!(c, api::batch::v1: CronJob Job);
    listed!(c, api::autoscaling::v1: HorizontalPodAutoscaler);
    single!(c, api::autoscaling::v1: Scale);
    listed!(c, api::autoscaling::v2: HorizontalPodAutoscaler);
    listed!(c, api::policy::v1: PodDisruptionBudget);
    single!(c, api::policy::v1: Eviction);
    c.plain::<meta::DeleteOptions>(&["/v1/DeleteOptions"]);
    c.plain::<meta::WatchEvent<RawExtension>>(&["/v1/WatchEvent"]);
    single!(c, apimachinery::pkg::apis::meta::v1: Status APIGroup APIGroupList APIResourceList APIVersions);
}

fn everything_else(c: &mut Collector) {
    listed!(c, api::admissionregistration::v1: MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
        MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
        ValidatingWebhookConfiguration);
    single!(c, api::authentication::v1: SelfSubjectReview TokenRequest TokenReview);
    single!(c, api::authorization::v1: LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview
        SubjectAccessReview);
    listed!(c, api::certificates::v1: CertificateSigningRequest);
    listed!(c, api::coordination::v1: Lease);
    listed!(c, api::discovery::v1: EndpointSlice);
    listed!(c, api::events::v1: Event);
    listed!(c, api::flowcontrol::v1: FlowSchema PriorityLevelConfiguration);
    listed!(c, api::networking::v1: Ingress IngressClass IPAddress NetworkPolicy ServiceCIDR);
    listed!(c, api::node::v1: RuntimeClass);
    listed!(c, api::rbac::v1: ClusterRole ClusterRoleBinding Role RoleBinding);
    listed!(c, api::resource::v1: DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice);
    listed!(c, api::scheduling::v1: PriorityClass);
    listed!(c, api::storage::v1: CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment
        VolumeAttributesClass);
    listed!(c, apiextensions_apiserver::pkg::apis::apiextensions::v1: CustomResourceDefinition);
    listed!(c, kube_aggregator::pkg::apis::apiregistration::v1: APIService);
}
