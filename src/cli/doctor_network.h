/* `warren doctor`: whether what leaves a sandbox can be taken. No packet leaves this machine. */
#pragma once

#include "cli/doctor_checks.h"

/* Makes a network namespace as the nest does and tries the redirect in it. */
void wr_doctor_check_redirect(const struct wr_doctor_place *place, struct wr_finding *ret);
