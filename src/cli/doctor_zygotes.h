/* `warren doctor`: what contexts of the running server's templates come from. */
#pragma once

#include "cli/doctor_checks.h"

void wr_doctor_check_zygotes(const struct wr_doctor_place *place, struct wr_finding *ret);
