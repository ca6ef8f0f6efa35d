"""The parts of HTTP connectors: where a request may go, how it is sent again, what came back, how pages go on."""
