/* Ports of apps. */
#include "appc/document.h"

#define AT(member) offsetof(struct appc_port, member)

static const struct json_range port_range = { 1, UINT16_MAX };

static const struct json_field port_fields[] = {
	{ "name", JSON_KIND_STRING, appc_read_text, AT(name), JSON_REQUIRED, &appc_rule_name },
	{ "protocol", JSON_KIND_STRING, appc_read_text, AT(protocol), JSON_REQUIRED,
	  &appc_rule_not_empty },
	{ "port", JSON_KIND_INTEGER, json_read_u16, AT(port), JSON_REQUIRED, &port_range },
	{ "count", JSON_KIND_INTEGER, json_read_u16, AT(count) },
	{ "socketActivated", JSON_KIND_BOOLEAN, json_read_boolean, AT(socket_activated) },
	{ NULL },
};

static void read_port(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	struct appc_port *port = member;

	port->count = 1;
	json_read_object(r, value, port_fields, port);
	if (port->count == 0) {
		/* what Go programs write that do not set it */
		json_warning_at(r, "count", "0 is taken for 1");
		port->count = 1;
	}
	if (port->port + port->count - 1 > UINT16_MAX)
		json_fault_at(r, "count", "the range ends at %d, past 65535",
			      port->port + port->count - 1);
}

void appc_read_ports(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	static const struct json_list list = {
		JSON_KIND_OBJECT, read_port, NULL, sizeof(struct appc_port), APPC_MAX_PORTS,
	};

	json_read_list(r, value, member, &list);
}

void appc_read_pod_port(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	struct appc_port *port = calloc(1, sizeof(*port));

	if (!port) {
		json_no_memory(r);
		return;
	}
	*(struct appc_port **)member = port;
	read_port(r, value, port, arg);
}

void appc_port_deinit(struct appc_port *port)
{
	free(port->name);
	free(port->protocol);
}
