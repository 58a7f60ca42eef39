# Evaluates the cells that main.py sends, in the global environment.
#
# Both directions carry records: a number of texts, then for each its length and its bytes; numbers have 4 bytes, little
# endian. Commands are ("silent" or "", code, name, value, name, value, ...). The answer is ("ready"), upon which an empty
# record comes, then any number of ("result", MIME type, content, ...), at most one ("error", name, value, traceback), and
# ("done").

local({
  commands <- file("/dev/fd/250", "rb", raw = TRUE)
  reports <- file("/dev/fd/251", "wb", raw = TRUE)
  pictures <- tempfile("plots")
  devices <- integer()
  sent <- 0

  read_number <- function() readBin(commands, "integer", 1L, size = 4L, endian = "little")

  read_text <- function() {
    text <- rawToChar(readBin(commands, "raw", read_number()))
    Encoding(text) <- "UTF-8"
    text
  }

  receive <- function() {
    count <- read_number()
    if (length(count) == 0) quit(save = "no")
    vapply(seq_len(count), function(i) read_text(), "")
  }

  report <- function(...) {
    fields <- list(...)
    writeBin(length(fields), reports, size = 4L, endian = "little")
    for (field in fields) {
      bytes <- if (is.raw(field)) field else charToRaw(enc2utf8(field))
      writeBin(length(bytes), reports, size = 4L, endian = "little")
      writeBin(bytes, reports)
    }
    flush(reports)
  }

  # Plots go to files, one per page. A page is whole when the next one begins, or when its device is closed.
  open_device <- function(...) {
    dir.create(pictures, showWarnings = FALSE)
    option <- function(name, default) getOption(paste0("repr.plot.", name), default)
    sent <<- 0
    unlink(file.path(pictures, "*"))
    grDevices::png(file.path(pictures, "%06d.png"), type = "cairo", units = "in",
      width = option("width", 7), height = option("height", 7), res = option("res", 120))
    devices <<- c(devices, grDevices::dev.cur())
  }

  send_pictures <- function(all) {
    if (all) {
      for (device in intersect(devices, grDevices::dev.list())) grDevices::dev.off(device)
      devices <<- integer()
    }
    pages <- list.files(pictures, full.names = TRUE)
    ready <- if (length(devices) > 0) utils::head(pages, -1L) else pages
    for (page in utils::tail(ready, length(ready) - sent)) {
      report("result", "image/png", readBin(page, "raw", file.size(page)))
    }
    sent <<- length(ready)
    if (all) {
      unlink(pages)
      sent <<- 0
    }
  }

  escape <- function(text) gsub(">", "&gt;", gsub("<", "&lt;", gsub("&", "&amp;", text, fixed = TRUE), fixed = TRUE), fixed = TRUE)

  html_table <- function(table) {
    part <- table[seq_len(min(nrow(table), 60L)), seq_len(min(ncol(table), 20L)), drop = FALSE]
    cells <- escape(as.matrix(format(part)))
    row <- function(tag, texts) paste0("<tr>", paste0("<", tag, ">", texts, "</", tag, ">", collapse = ""), "</tr>")
    rows <- vapply(seq_len(nrow(part)), function(i) row("td", c(escape(rownames(part)[i]), cells[i, ])), "")
    paste0("<table>", row("th", c("", escape(colnames(part)))), paste0(rows, collapse = ""), "</table>")
  }

  show_value <- function(value) {
    text <- paste(utils::capture.output(if (isS4(value)) methods::show(value) else print(value)), collapse = "\n")
    if (!nzchar(text)) return()
    if (is.data.frame(value) && ncol(value) > 0) {
      report("result", "text/plain", text, "text/html", html_table(value))
    } else {
      report("result", "text/plain", text)
    }
  }

  # The call in evaluate() by which the user's code begins.
  start_of_cell <- quote(eval(expression_of_cell, globalenv()))

  call_text <- function(call) paste(utils::head(deparse(call), 3L), collapse = "\n")

  # R's own text for conditions: "Error in f(1) : text".
  describe <- function(what, condition) {
    call <- conditionCall(condition)
    if (identical(call, start_of_cell)) call <- NULL
    paste0(what, if (is.null(call)) "" else paste0(" in ", call_text(call), " "), ": ", conditionMessage(condition))
  }

  warn <- function(condition) cat(describe("Warning", condition), "\n", sep = "", file = stderr())

  error_of <- function(condition, calls) {
    kind <- class(condition)[[1L]]
    name <- c(simpleError = "Error", parseError = "SyntaxError")[kind]
    text <- describe("Error", condition)
    if (length(calls) > 0) {
      texts <- vapply(calls, call_text, "")
      text <- paste(c(text, "Traceback:", paste0(seq_along(texts), ". ", texts)), collapse = "\n")
    }
    list(if (is.na(name)) kind else unname(name), conditionMessage(condition), text)
  }

  # The calls of the user's code: after this program's, before those that handle the error.
  own_calls <- function(calls) {
    is_start <- vapply(calls, identical, NA, start_of_cell)
    calls <- utils::tail(calls, -max(which(is_start)))
    is_end <- vapply(calls, function(call) identical(call[[1L]], quote(.handleSimpleError)), NA)
    if (any(is_end)) utils::head(calls, min(which(is_end)) - 1L) else utils::head(calls, -1L)
  }

  # Evaluates one expression and shows its value; the error, or NULL.
  evaluate <- function(expression_of_cell, silent) {
    calls <- list()
    tryCatch(
      withCallingHandlers(
        allowInterrupts({
          outcome <- withVisible(eval(expression_of_cell, globalenv()))
          if (outcome$visible && !silent) show_value(outcome$value)
          NULL
        }),
        warning = function(condition) {
          if (getOption("warn") < 0) tryInvokeRestart("muffleWarning")
          if (getOption("warn") < 2) {
            if (!silent) warn(condition)
            tryInvokeRestart("muffleWarning")
          }
        },
        error = function(condition) calls <<- tryCatch(own_calls(sys.calls()), error = function(e) list())
      ),
      error = function(condition) error_of(condition, calls),
      interrupt = function(condition) list("KeyboardInterrupt", "the cell was interrupted", "KeyboardInterrupt")
    )
  }

  run <- function(code, silent) {
    cell <- tryCatch(parse(text = code, keep.source = TRUE), error = identity)
    if (inherits(cell, "error")) {
      return(list("SyntaxError", conditionMessage(cell), paste0("Error: ", conditionMessage(cell))))
    }
    for (expression_of_cell in cell) {
      error <- evaluate(expression_of_cell, silent)
      if (!is.null(error)) return(error)
      send_pictures(FALSE)
    }
  }

  # Sets the variables of this cell; the function that is returned puts them back.
  overlay <- function(variables) {
    names <- variables[c(TRUE, FALSE)]
    before <- Sys.getenv(names, unset = NA, names = TRUE)
    if (length(names) > 0) do.call(Sys.setenv, as.list(setNames(variables[c(FALSE, TRUE)], names)))
    function() {
      known <- before[!is.na(before)]
      if (length(known) > 0) do.call(Sys.setenv, as.list(known))
      if (anyNA(before)) Sys.unsetenv(names(before)[is.na(before)])
    }
  }

  step <- function() {
    command <- receive()
    # An interrupt that came too late for the cell before is not for this one.
    tryCatch(allowInterrupts(NULL), interrupt = function(condition) NULL)
    report("ready")
    receive()
    silent <- command[[1L]] == "silent"
    if (silent) sink(nullfile())
    restore <- overlay(command[-(1:2)])
    error <- run(command[[2L]], silent)
    restore()
    if (silent) sink()
    send_pictures(TRUE)
    if (!is.null(error)) do.call(report, c("error", error))
    report("done")
  }

  # A directory of the user's for packages exists, else install.packages() would have nowhere to write.
  library_of_user <- Sys.getenv("R_LIBS_USER")
  if (nzchar(library_of_user)) {
    dir.create(library_of_user, recursive = TRUE, showWarnings = FALSE)
    .libPaths(c(library_of_user, .libPaths()))
  }
  options(device = open_device, repos = c(CRAN = "https://cloud.r-project.org"))
  suspendInterrupts(repeat step())
})
