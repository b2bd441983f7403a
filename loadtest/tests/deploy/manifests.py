"""Renders the folders of k8s/ as kustomize does, checks every object and compose.yaml by their published schemas, and
prints all of it as JSON.

Only what k8s/ uses of kustomize is here; anything else in a kustomization.yaml is an error."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

FOLDERS = {"base": "base", "ephemeral": "overlays/ephemeral", "migrate": "migrate", "secrets": "secrets"}
# The oldest release that still gets fixes, and the newest whose schemas there are.
RELEASES = ["1.34", "1.37"]
CLUSTER_WIDE = {"Namespace"}


class Loader(yaml.SafeLoader):
    """Takes no mapping with the same key twice."""


def unique(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    assert len(keys) == len(set(keys)), f"a key comes twice: {node.start_mark}"
    loader.flatten_mapping(node)
    return {loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value}


Loader.add_constructor("tag:yaml.org,2002:map", unique)


def load(path):
    return list(yaml.load_all(path.read_text(), Loader))


def render(folder):
    [layer] = load(folder / "kustomization.yaml")
    known = {"apiVersion", "kind", "resources", "components", "patches", "namespace", "images", "secretGenerator",
             "generatorOptions"}
    assert layer.keys() <= known, f"{folder}: {layer.keys() - known}"
    objects = []
    for name in layer.get("resources", []):
        path = folder / name
        objects += render(path) if path.is_dir() else load(path)
    objects += [secret(one) for one in layer.get("secretGenerator", [])]
    for patch in layer.get("patches", []):
        apply(patch, folder, objects)
    transform(layer, objects)
    for name in layer.get("components", []):
        [component] = load(folder / name / "kustomization.yaml")
        assert component["kind"] == "Component" and component.keys() <= {"apiVersion", "kind", "namespace", "images"}
        transform(component, objects)
    return objects


def secret(one):
    assert one.keys() <= {"name", "type", "files"}, one
    # `key=path`, or a path whose last part is the key. The values are not there to be looked at.
    keys = [file.split("=")[0] if "=" in file else file.rsplit("/")[-1] for file in one["files"]]
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": one["name"]},
            "type": one.get("type", "Opaque"), "data": {key: "" for key in keys}}


def apply(patch, folder, objects):
    assert patch.keys() <= {"path", "target", "options"}, patch
    of = patch["target"]
    found = [it for it in objects if it["kind"] == of["kind"] and it["metadata"]["name"] == of["name"]]
    assert len(found) == 1, f"{of}: {len(found)} objects"
    [operations] = load(folder / patch["path"])
    for operation in operations:
        change(found[0], operation)


def change(target, operation):
    """RFC 6902, for paths through mappings, and `-` at the end of a list."""
    *way, last = operation["path"].split("/")[1:]
    for step in way:
        target = target[step]
    match operation["op"]:
        case "add" if last == "-":
            target.append(operation["value"])
        case "add":
            target[last] = operation["value"]
        case "replace":
            assert last in target, operation
            target[last] = operation["value"]
        case "remove":
            del target[last]
        case other:
            raise AssertionError(other)


def transform(layer, objects):
    for one in objects:
        if "namespace" in layer and one["kind"] not in CLUSTER_WIDE:
            one["metadata"]["namespace"] = layer["namespace"]
        for container in containers(one):
            for image in layer.get("images", []):
                if container["image"] == image["name"]:
                    container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"


def containers(one):
    pod = one.get("spec", {}).get("template", {}).get("spec", {})
    return pod.get("initContainers", []) + pod.get("containers", [])


def main(root):
    rendered = {name: render(root / "k8s" / folder) for name, folder in FOLDERS.items()}
    rendered["namespace"] = load(root / "k8s/namespace.yaml")
    for objects in rendered.values():
        for one in objects:
            for release in RELEASES:
                kubernetes_validate.validate(one, release, strict=True)
    [compose] = load(root / "compose.yaml")
    schema = files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    jsonschema.validate(compose, json.loads(schema.read_text()))
    json.dump(rendered | {"compose": compose}, sys.stdout)


main(Path(sys.argv[1]))
