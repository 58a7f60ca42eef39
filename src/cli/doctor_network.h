/* `warren doctor`: whether what leaves a sandbox can be taken, and whom the server would ask for
 * names. No packet leaves this machine. */
#pragma once

#include "cli/doctor_checks.h"

/* Makes a network namespace as the nest does and tries the redirect in it. */
void wr_doctor_check_redirect(const struct wr_doctor_place *place, struct wr_finding *ret);
/* Looks at the setting dns-servers, or else at /etc/resolv.conf; asks nobody. */
void wr_doctor_check_resolvers(const struct wr_doctor_place *place, struct wr_finding *ret);
