"""How cases are brought to hosts and records back: a playbook that Ansible runs.

`playbook` writes it, `inventory` asks Ansible for the hosts, `running` starts Ansible and reads its
events, `plugins` has the one that tells them, `host.sh` is what runs on a host, `incoming` takes
in what came back.
"""
