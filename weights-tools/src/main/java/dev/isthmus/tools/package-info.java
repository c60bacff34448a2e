/**
 * The entry point of the isthmus command: how its arguments are decoded, and what is said where they make no sense or a
 * command fails. The commands themselves are below it.
 */
package dev.isthmus.tools;
