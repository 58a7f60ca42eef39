/* `warren doctor`: whom the server would ask for names, and whether somebody answers there. */
#pragma once

#include "cli/doctor_checks.h"

/* Of the setting dns-servers, or else /etc/resolv.conf: sends each one question, until one answers.
 */
void wr_doctor_check_resolvers(const struct wr_doctor_place *place, struct wr_finding *ret);
