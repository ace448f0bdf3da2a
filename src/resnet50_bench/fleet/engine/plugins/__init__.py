"""What Ansible loads by the name of its folder."""
