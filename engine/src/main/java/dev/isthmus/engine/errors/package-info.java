/**
 * The sealed exceptions of the engine. Every failure that reaches a caller is one of them, and its message says what
 * was being done, what was expected, what was found and what the caller can do. No other package of the engine may be
 * imported here, and no logic belongs here.
 */
package dev.isthmus.engine.errors;
