"""Deployment files, good and bad, with the documented differences that each shows; assets are in asset_cases.py."""

from tests.parity.case import Case, bad, good

MANAGED = "name: blue\nendpoint_name: shop\ninstance_type: Standard_DS3_v2\n"
KUBERNETES = "name: blue\nendpoint_name: shop\ntype: kubernetes\n"
COLLECTION = "data_collector: {collections: {model_inputs: %s}}"
SIX = ", ".join(f"c{number}: {{enabled: 'true'}}" for number in range(6))
REQUESTS = "request_settings: {%s: %s}"


def managed(text: str, *shows: str) -> Case:
    """A managed deployment that somebody takes."""
    return good(MANAGED + text, *shows)


def kubernetes(text: str, *shows: str) -> Case:
    """A Kubernetes deployment that somebody takes."""
    return good(KUBERNETES + text, *shows)


def refused(text: str) -> Case:
    """A managed deployment that nobody takes."""
    return bad(MANAGED + text)


FULL = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: Blue
endpoint_name: shop
description: What it is.
type: managed
tags: {team: a, 5: [x, {y: 2.5}], when: 2024-01-31, none: }
properties: {cost: 5}
environment_variables: {TEXT: a, NUMBER: 1, FLAG: true, FLOAT: 2.50, LIST: [1], NONE: }
model: azureml:m:1
environment: azureml:e:2
code_configuration: {code: code, scoring_script: score.py}
instance_type: Standard_DS3_v2
instance_count: 3
app_insights_enabled: true
model_mount_path: /var/models
scale_settings: {type: default}
request_settings: {request_timeout_ms: 180000, max_concurrent_requests_per_instance: 8, max_queue_wait_ms: 0}
liveness_probe: {initial_delay: 1, period: 2, timeout: 3, success_threshold: 1, failure_threshold: 5}
readiness_probe: {initial_delay: 0, period: 20, timeout: 30, success_threshold: 4, failure_threshold: 50}
egress_public_network_access: disabled
private_network_connection: yes
data_collector:
  collections:
    request: {enabled: 'False'}
    model_inputs:
      enabled: 'True'
      client_id: c
      data: {name: n, path: p, version: '1', data_id: i}
    model_outputs: {enabled: 'true', data: azureml:d:1}
  rolling_rate: Day
  sampling_rate: 0.5
  request_logging: {capture_headers: [a, b]}
id: /x
provisioning_state: Succeeded
creation_context: {created_by: me}
"""
FULL_KUBERNETES = """
name: blue
endpoint_name: shop
type: kubernetes
instance_type: gpu
instance_count: 2
model_mount_path: /m
resources:
  requests: {cpu: 500m, memory: 512Mi, nvidia.com/gpu: '1'}
  limits: {cpu: '1.5', memory: 1Gi, gpu: '2'}
scale_settings:
  type: TargetUtilization
  min_instances: 1
  max_instances: 5
  target_utilization_percentage: 50
  polling_interval: 10
request_settings: {request_timeout_ms: 300000}
data_collector: {collections: {a: {enabled: 'true'}}}
"""

TAKEN: tuple[Case, ...] = (
    good(FULL),
    good(FULL_KUBERNETES),
    managed("", "defaults"),
    kubernetes("", "defaults"),
    managed("instance_count: '3'"),
    managed("instance_count: 3.9"),
    managed("instance_count: 0x10"),
    managed("instance_count: 1:30", "instance-count"),
    managed("type: Managed"),
    managed("type: Kubernetes"),
    managed("app_insights_enabled: 'yes'"),
    managed("app_insights_enabled: 1"),
    managed("app_insights_enabled: 0.0"),
    managed("app_insights_enabled: OFF"),
    managed("egress_public_network_access: Enabled"),
    managed("private_network_connection: 'f'"),
    managed("environment_variables: {}\ntags: {}\nproperties: {}"),
    managed("request_settings: {}\nliveness_probe: {}\nreadiness_probe: {}", "defaults"),
    managed("request_settings: {request_timeout_ms: '60000'}"),
    managed("liveness_probe: {period: 5.5}"),
    managed("code_configuration: {$schema: x, code: code, scoring_script: score.py}"),
    managed("code_configuration: {$schema: , code: code, scoring_script: score.py}", "empty-dropped-key"),
    managed("data_collector: {collections: {}}"),
    managed("data_collector: {collections: {}, sampling_rate: '0.25', rolling_rate: Minute}"),
    managed("data_collector: {collections: {}, sampling_rate: 1}"),
    managed("data_collector: {collections: {}, request_logging: {}}"),
    managed(COLLECTION % "{enabled: 'TRUE'}"),
    managed(COLLECTION % "{enabled: 'true', data: {}}"),
    kubernetes("scale_settings: {type: target_utilization}", "defaults"),
    kubernetes("scale_settings: {type: Default}"),
    kubernetes("resources: {}"),
    kubernetes("resources: {requests: {}, limits: {}}"),
    kubernetes("instance_type: ''"),
    managed("description: ${NAME}", "placeholders"),
    good("name: blue\nendpoint_name: shop\ninstance_type: <SIZE>", "placeholders"),
    # Only Headgate takes these.
    managed(COLLECTION % "{enabled: true}", "bare-enabled"),
    managed(COLLECTION % "{enabled: off}", "bare-enabled"),
    managed(COLLECTION % "{enabled: 'true', data: {name: n, version: 1}}", "collector-version"),
    managed("data_collector: {collections: {}, rolling_rate: Month}", "rolling-rates"),
    managed("data_collector: {collections: {}, rolling_rate: year}", "rolling-rates"),
    kubernetes("resources: {requests: {cpu: 0.5, memory: 1000000}, limits: {nvidia.com/gpu: 1}}", "resource-numbers"),
    good("name: blue\ninstance_type: s", "no-endpoint-name"),
    good("name: blue\ntype: kubernetes", "no-endpoint-name"),
    kubernetes("creation_context: {created_by: me}", "creation-context"),
    managed("$schema:", "empty-dropped-key"),
    managed("creation_context:", "empty-dropped-key"),
    # Only Azure's loader takes these.
    good("name: a\nendpoint_name: shop\ninstance_type: s", "name-length"),
    good("name: my_blue\nendpoint_name: shop\ninstance_type: s", "deployment-name"),
    good("name: ''\nendpoint_name: shop\ninstance_type: s", "deployment-name"),
    managed("instance_count: 0", "instance-count"),
    managed("instance_count: 51", "instance-count"),
    managed(REQUESTS % ("request_timeout_ms", "180001"), "request-settings"),
    managed(REQUESTS % ("request_timeout_ms", "0"), "request-settings"),
    kubernetes(REQUESTS % ("request_timeout_ms", "300001"), "request-settings"),
    managed(REQUESTS % ("max_concurrent_requests_per_instance", "0"), "request-settings"),
    managed(REQUESTS % ("max_queue_wait_ms", "-1"), "request-settings"),
    managed("readiness_probe: {timeout: 0}", "probes"),
    managed("liveness_probe: {initial_delay: -1}", "probes"),
    managed("scale_settings: {type: target_utilization}", "scaling"),
    kubernetes("scale_settings: {type: target_utilization, min_instances: 3, max_instances: 2}", "scaling"),
    kubernetes("scale_settings: {type: target_utilization, target_utilization_percentage: 101}", "scaling"),
    managed(f"data_collector: {{collections: {{{SIX}}}}}", "collections"),
    managed("instance_count: 1\ninstance_count: 2", "duplicate-keys"),
    managed("code_configuration: {}", "incomplete-code"),
    managed("code_configuration: {code: '', scoring_script: score.py}", "incomplete-code"),
    managed("code_configuration: {code: code, scoring_script: ''}", "incomplete-code"),
    managed("code_configuration: {code: nowhere, scoring_script: score.py}", "incomplete-code"),
    managed("code_configuration: {code: code, scoring_script: none.py}", "incomplete-code"),
    managed("code_configuration: {code: code, scoring_script: ../code/score.py}", "incomplete-code"),
    managed("code_configuration: {code: conda.yml, scoring_script: score.py}", "incomplete-code"),
    managed("code_configuration: {code: ../code, scoring_script: score.py}", "outside"),
    managed("code_configuration: {code: https://host/code.git, scoring_script: score.py}", "outside"),
    kubernetes("resources: {requests: {cpu: x}}", "resource-amounts"),
    kubernetes("resources: {limits: {memory: 1 gigabyte, nvidia.com/gpu: half}}", "resource-amounts"),
    # Loaded otherwise.
    good("name: blue\nendpoint_name: Shop\ninstance_type: s", "endpoint-name-case"),
)

REFUSED: tuple[Case, ...] = (
    bad("name: blue\nendpoint_name: shop"),
    bad("name: blue\nendpoint_name: shop\ntype: Kubernetes"),
    bad("endpoint_name: shop\ninstance_type: s"),
    bad("name: 5\nendpoint_name: shop\ninstance_type: s"),
    bad("name: blue\nendpoint_name: 5\ninstance_type: s"),
    bad("name: blue\nendpoint_name:\ninstance_type: s"),
    bad("name: blue\nendpoint_name: shop\ninstance_type: 5"),
    bad("name: blue\nendpoint_name: shop\ninstance_type:"),
    refused("type: batch"),
    refused("type:"),
    refused("type: [managed]"),
    refused("instanceCount: 1"),
    refused("instance_cont: 1"),
    refused("x-own: 1"),
    refused("instance_count: true"),
    refused("instance_count: many"),
    refused("instance_count: '1.5'"),
    refused("instance_count:"),
    refused("instance_count: [1]"),
    refused("instance_count: 2024-01-31"),
    refused("app_insights_enabled: 2"),
    refused("app_insights_enabled: tRUE"),
    refused("app_insights_enabled: [true]"),
    refused("app_insights_enabled:"),
    refused("model_mount_path: 5"),
    refused("resources: {}"),
    refused("egress_public_network_access: none"),
    refused("private_network_connection: maybe"),
    refused("environment_variables: [A=1]"),
    refused("environment_variables: A=1"),
    refused("environment_variables:"),
    refused("code_configuration: code"),
    refused("code_configuration: [code]"),
    refused("code_configuration:"),
    refused("code_configuration: {code: 5}"),
    refused("code_configuration: {code: code, script: score.py}"),
    refused("code_configuration: {code: code, scoring_script: }"),
    refused("request_settings: 5000"),
    refused("request_settings:"),
    refused("request_settings: {request_timeout: 5}"),
    refused("request_settings: {request_timeout_ms: 5s}"),
    refused("request_settings: {request_timeout_ms: }"),
    refused("request_settings: {request_timeout_ms: true}"),
    refused("request_settings: {$schema: x}"),
    refused("liveness_probe: {path: /}"),
    refused("liveness_probe: {period: PT10S}"),
    refused("liveness_probe: []"),
    refused("readiness_probe: true"),
    refused("scale_settings: default"),
    refused("scale_settings: {}"),
    refused("scale_settings:"),
    refused("scale_settings: {type: manual}"),
    refused("scale_settings: {type: default, min_instances: 1}"),
    refused("scale_settings: {type: target_utilization, cooldown: 1}"),
    refused("scale_settings: {min_instances: 1}"),
    refused("data_collector:"),
    refused("data_collector: true"),
    refused("data_collector: {}"),
    refused("data_collector: {sampling_rate: 0.5}"),
    refused("data_collector: {collections: }"),
    refused("data_collector: {collections: [a]}"),
    refused("data_collector: {collections: {a: }}"),
    refused("data_collector: {collections: {1: {enabled: 'true'}}}"),
    refused("data_collector: {collections: {}, sampling_rate: 1.5}"),
    refused("data_collector: {collections: {}, sampling_rate: -0.1}"),
    refused("data_collector: {collections: {}, sampling_rate: .nan}"),
    refused("data_collector: {collections: {}, sampling_rate: true}"),
    refused("data_collector: {collections: {}, sampling_rate: }"),
    refused("data_collector: {collections: {}, rolling_rate: weekly}"),
    refused("data_collector: {collections: {}, rolling_rate: 5}"),
    refused("data_collector: {collections: {}, request_logging: []}"),
    refused("data_collector: {collections: {}, request_logging: {capture_headers: a}}"),
    refused("data_collector: {collections: {}, request_logging: {capture_headers: [5]}}"),
    refused("data_collector: {collections: {}, request_logging: {headers: [a]}}"),
    refused("data_collector: {collections: {}, sampling: 1}"),
    refused(COLLECTION % "{}"),
    refused(COLLECTION % "{enabled: 1}"),
    refused(COLLECTION % "{enabled: 'yes'}"),
    refused(COLLECTION % "{enabled: }"),
    refused(COLLECTION % "{enabled: 'true', data: 5}"),
    refused(COLLECTION % "{enabled: 'true', data: {version: true}}"),
    refused(COLLECTION % "{enabled: 'true', data: {asset: x}}"),
    refused(COLLECTION % "{enabled: 'true', client_id: 5}"),
    refused(COLLECTION % "{enabled: 'true', sampling_rate: 0.5}"),
    bad(KUBERNETES + "egress_public_network_access: enabled"),
    bad(KUBERNETES + "private_network_connection: true"),
    bad(KUBERNETES + "resources:"),
    bad(KUBERNETES + "resources: {cpu: '1'}"),
    bad(KUBERNETES + "resources: {requests: }"),
    bad(KUBERNETES + "resources: {requests: {cpi: '1'}}"),
    bad(KUBERNETES + "resources: {requests: {cpu: true}}"),
    bad(KUBERNETES + "resources: {requests: {cpu: [1]}}"),
    bad(KUBERNETES + "resources: {requests: {cpu: }}"),
    bad(KUBERNETES + "resources: {requests: [cpu]}"),
    bad(KUBERNETES + "instance_type:"),
)

DEPLOYMENTS = (*TAKEN, *REFUSED)
