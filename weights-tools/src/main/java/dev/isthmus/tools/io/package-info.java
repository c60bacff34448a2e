/**
 * Input and output that all commands share: the console, progress, JSON, digests of files, and the exception whose
 * message is all that a user sees. No command is known here.
 */
package dev.isthmus.tools.io;
