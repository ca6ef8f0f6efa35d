"""The topology of docker-compose.yaml as plain processes on this machine, to test it and to kill its parts."""
