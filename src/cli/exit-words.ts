/** What `--help` says of exit statuses; the numbers are those of `EXIT_STATUS`. */
export const EXIT_WORDS = `Exit status:
  0 done   1 failed   3 done, but not all (bad sectors, salvage)   11 busy, try again
  13 damage found   14 not enough space   64 wrong usage   77 needs root   78 wrong configuration
  129, 130, 143 stopped by SIGHUP, SIGINT, SIGTERM   141 the reader of stdout went away`;
