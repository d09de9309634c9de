"""An ordinary program on the official Python client; prints one line a step."""

import sys

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

config.load_kube_config()
core = client.CoreV1Api()
NS = "default"


def refusal(call):
    try:
        call()
    except ApiException as refused:
        return f"{refused.status} {refused.reason.replace(' ', '')}"
    return "nothing"


version = client.VersionApi().get_code()
print("version", version.major, version.minor)

meta = {"name": "a", "labels": {"set": "py"}}
made = core.create_namespaced_config_map(NS, {"metadata": meta, "data": {"k": "1"}})
print("created", made.metadata.name, made.data["k"])
changed = core.patch_namespaced_config_map("a", NS, {"data": {"k": "2"}})
print("patched", changed.metadata.name, changed.data["k"])
print("conflict", refusal(lambda: core.replace_namespaced_config_map("a", NS, made)))
print("missing", refusal(lambda: core.read_namespaced_config_map("none", NS)))

core.create_namespaced_config_map(NS, {"metadata": {"name": "b", "labels": {"set": "py"}}})
both = core.list_namespaced_config_map(NS, label_selector="set=py")
print("listed", *[o.metadata.name for o in both.items])
first = core.list_namespaced_config_map(NS, label_selector="set=py", limit=1)
rest = core.list_namespaced_config_map(
    NS, label_selector="set=py", limit=1, _continue=first.metadata._continue)
print("pages", len(first.items), len(rest.items))

deployments = dynamic.DynamicClient(client.ApiClient()).resources.get(
    api_version="apps/v1", kind="Deployment")
body = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "dyn", "namespace": NS},
    "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "dyn"}},
             "template": {"metadata": {"labels": {"app": "dyn"}},
                          "spec": {"containers": [{"name": "main", "image": "nginx"}]}}},
}
deployments.server_side_apply(body=body, name="dyn", namespace=NS, field_manager="py")
body["spec"]["replicas"] = 3
applied = deployments.server_side_apply(body=body, name="dyn", namespace=NS, field_manager="py")
print("applied", applied.spec.replicas, "replicas")
deployments.delete(name="dyn", namespace=NS)

manifests = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y", "labels": {"from": "yaml"}}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "y"},
     "spec": {"selector": {"app": "y"}, "ports": [{"port": 80}]}},
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "y"},
     "spec": dict(body["spec"], replicas=0)},
]
results = utils.create_from_yaml(client.ApiClient(), yaml_objects=manifests, namespace=NS)
print("from yaml", *[o[0].kind or type(o[0]).__name__[2:] for o in results])

since = core.list_namespaced_config_map(NS).metadata.resource_version
core.create_namespaced_config_map(NS, {"metadata": {"name": "seen"}})
core.patch_namespaced_config_map("seen", NS, {"data": {"k": "v"}})
core.delete_namespaced_config_map("seen", NS)
kinds = []
stream = watch.Watch()
for event in stream.stream(core.list_namespaced_config_map, NS, resource_version=since, timeout_seconds=60):
    if event["object"].metadata.name == "seen":
        kinds.append(event["type"])
    if kinds and kinds[-1] == "DELETED":
        stream.stop()
print("watched", *kinds)

container = {"name": "main", "image": "glasshouse.dev/counter-cli:latest"}
core.create_namespaced_pod(
    NS, {"metadata": {"name": "count"}, "spec": {"restartPolicy": "Never", "containers": [container]}})
ends = watch.Watch()
for event in ends.stream(core.list_namespaced_pod, NS, field_selector="metadata.name=count", timeout_seconds=60):
    if event["object"].status.phase in ("Succeeded", "Failed"):
        ends.stop()
lines = core.read_namespaced_pod_log("count", NS).splitlines()
print("log", min(len(lines), 1))

core.delete_collection_namespaced_config_map(NS, label_selector="set=py")
print("deleted", len(core.list_namespaced_config_map(NS, label_selector="set=py").items))
sys.stdout.flush()
