"""Endpoint files, good and bad, with the documented differences that each shows."""

from tests.parity.case import Case, bad, good

SUBSCRIPTION = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"

ENDPOINTS: tuple[Case, ...] = (
    good("name: shop", "defaults"),
    good("name: Shop-2"),
    good("name: shop\npublic_network_access: enabled"),
    good("name: shop\npublic_network_access: Disabled"),
    good("name: shop\nauth_mode: key"),
    good("name: shop\nauth_mode: KEY"),
    good("name: shop\nauth_mode: AMLToken"),
    good("name: shop\nauth_mode: aml_token"),
    good("name: shop\nauth_mode: AadToken", "aad-token"),
    good("name: shop\ncompute: azureml:k8s"),
    good("name: shop\ncompute: azureml:/subscriptions/s/computes/k8s"),
    good("name: shop\ncompute: azureml:k8s\ntraffic: {blue: 100}\nauth_mode: key"),
    good("name: shop\ncompute: azureml:k8s\nprovisioning_state: Succeeded"),
    good("name: shop\ncompute: azureml:k8s\nidentity: {type: system_assigned}"),
    good(
        """
        $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
        name: shop
        description: What it is.
        auth_mode: key
        public_network_access: enabled
        traffic: {blue: 90, green: 10}
        mirror_traffic: {red: 50}
        tags: {team: a, 5: [x, {y: 2.5}], when: 2024-01-31, none: }
        properties: {cost: 5, on: true}
        identity:
          type: UserAssigned
          user_assigned_identities:
            - resource_id: """
        + SUBSCRIPTION
        + """
              client_id: c
              unknown: u
        """
    ),
    good(
        """
        name: shop
        public_network_access: enabled
        kind: Managed
        id: /a
        location: westeurope
        provisioning_state: Succeeded
        scoring_uri: https://x/score
        openapi_uri: https://x/swagger.json
        identity: {type: system_assigned, principal_id: p, tenant_id: t, user_assigned_identities: []}
        """
    ),
    good("name: shop\nidentity: {type: none}"),
    good("name: shop\ntraffic: {}\ntags: {}\nproperties: {}\ndescription: ''"),
    good("name: shop\ntraffic: {blue: '60', green: 40.9}"),
    good("name: shop\ntraffic: {blue: 1_00}"),
    good("name: shop\ntraffic: {blue: ' 100 '}"),
    good("name: shop\ntraffic: {blue: 0144}"),
    good("name: shop\ntraffic: {Blue: 100}"),
    good("name: shop\ntraffic: {blue: 100, green: 0}", "zero-shares"),
    good("name: shop\nmirror_traffic: {green: 0}", "zero-shares"),
    good("&x name: &y shop\npublic_network_access: enabled\ntags: &t {a: b}\nproperties: {<<: *t, c: *y}"),
    good("name: ab", "name-length"),
    good(f"name: {'a' * 33}", "name-length"),
    good("name: |\n  shop\n", "newline-in-name"),
    good("name: shop\ntraffic: {blue: 90}", "traffic-sum"),
    good("name: shop\ntraffic: {blue: -10, green: 110}", "traffic-sum"),
    good("name: shop\nmirror_traffic: {blue: 51}", "mirror"),
    good("name: shop\nmirror_traffic: {blue: -1}", "mirror"),
    good("name: shop\nmirror_traffic: {blue: 1, green: 1}", "mirror"),
    good("name: shop\ncompute: 'azureml:'", "empty-reference"),
    good("name: shop\nname: shop", "duplicate-keys"),
    good("name: shop\ntags: {a: 1, a: 2}", "duplicate-keys"),
    good("name: shop\ntags: " + "{a: " * 64 + "b" + "}" * 64, "yaml-limits"),
    good("name: shop\ndescription: " + "x" * 2**20, "yaml-limits"),
    good("name: shop\ntags: {a: !!set {b, c}}", "yaml-tags"),
    good("name: !!binary c2hvcA==", "yaml-tags"),
    good("name: shop\ndescription: ${WHAT}", "placeholders"),
    good("name: shop\ntags: {a: <WHAT>}"),
    good("name: shop\ndescription: 'a < b > c'"),
    good("name: shop\ntags: {a: " + "9" * 401 + "}", "yaml-limits"),
    good("name: shop\n$schema:", "empty-dropped-key"),
    good("\ufeffname: shop\npublic_network_access: enabled"),
    bad(""),
    bad("# nothing"),
    bad("shop"),
    bad("[name, shop]"),
    bad("name: shop\n---\nname: shop2"),
    bad("name: [shop"),
    bad("name: shop\n\ttags: {}"),
    bad("name: {{NAME}}"),
    bad("name: *shop"),
    bad("? [a]\n: b"),
    bad("name: !!python/object/apply:os.getcwd []"),
    bad("auth_mode: key"),
    bad("name:"),
    bad("name: 5"),
    bad("name: true"),
    bad("name: 2024-01-31"),
    bad("name: [shop]"),
    bad("name: ''"),
    bad("name: 1shop"),
    bad("name: shop-"),
    bad("name: my_shop"),
    bad("name: my shop"),
    bad("name: shöp"),
    bad("nam: shop"),
    bad("Name: shop"),
    bad("name: shop\nx-own: 1"),
    bad("name: shop\n5: 1"),
    bad("name: shop\nnull: 1"),
    bad("name: shop\ncreation_context: {created_by: me}"),
    bad("name: shop\ndefaults: {deployment_name: x}"),
    bad("name: shop\ndescription: 5"),
    bad("name: shop\ndescription:"),
    bad("name: shop\nauth_mode: none"),
    bad("name: shop\nauth_mode: aml-token"),
    bad("name: shop\nauth_mode: key,key"),
    bad("name: shop\nauth_mode: ' key'"),
    bad("name: shop\nauth_mode:"),
    bad("name: shop\nauth_mode: ''"),
    bad("name: shop\nauth_mode: [key]"),
    bad("name: shop\npublic_network_access: off"),
    bad("name: shop\npublic_network_access: true"),
    bad("name: shop\ntags: [a]"),
    bad("name: shop\ntags: a"),
    bad("name: shop\ntags:"),
    bad("name: shop\nproperties: 5"),
    bad("name: shop\ntraffic: {blue: 60, green: 41}"),
    bad("name: shop\ntraffic: {blue: }"),
    bad("name: shop\ntraffic: {blue: true}"),
    bad("name: shop\ntraffic: {blue: '33.5'}"),
    bad("name: shop\ntraffic: {blue: 100%}"),
    bad("name: shop\ntraffic: {blue: .inf}"),
    bad("name: shop\ntraffic: {blue: .nan}"),
    bad("name: shop\ntraffic: {blue: [100]}"),
    bad("name: shop\ntraffic: {1: 100}"),
    bad("name: shop\ntraffic: [blue]"),
    bad("name: shop\ntraffic: blue"),
    bad("name: shop\ntraffic:"),
    bad("name: shop\nmirror_traffic: {blue: x}"),
    bad("name: shop\nmirror_traffic: 10"),
    bad("name: shop\nidentity: {}"),
    bad("name: shop\nidentity:"),
    bad("name: shop\nidentity: system_assigned"),
    bad("name: shop\nidentity: {type: robot}"),
    bad(
        "name: shop\nidentity: {type: user_assigned, user_assigned_identities: [{resource_id: a}, {resource_id: b}]}"
    ),
    bad("name: shop\nidentity: {type: user_assigned, user_assigned_identities: [a]}"),
    bad("name: shop\nidentity: {type: user_assigned, user_assigned_identities: [{resource_id: 5}]}"),
    bad("name: shop\nidentity: {type: user_assigned, user_assigned_identities: {resource_id: a}}"),
    bad("name: shop\nidentity: {type: user_assigned, userAssignedIdentities: []}"),
    bad("name: shop\ncompute: k8s"),
    bad("name: shop\ncompute: ''"),
    bad("name: shop\ncompute:"),
    bad("name: shop\ncompute: 5"),
    bad("name: shop\ncompute: azureml:k8s\npublic_network_access: enabled"),
    bad("name: shop\nscoring_uri: 5"),
    bad("name: shop\nid: [a]"),
    bad("name: shop\nlocation: 5"),
)
