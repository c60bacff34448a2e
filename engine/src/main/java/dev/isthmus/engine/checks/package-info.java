/**
 * Checks of arguments that the packages of the engine share, each with a message that names the argument. What the
 * arguments mean is not known here.
 */
package dev.isthmus.engine.checks;
