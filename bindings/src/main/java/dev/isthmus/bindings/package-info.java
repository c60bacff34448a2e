/**
 * Finding, checking and loading the native libraries, with a report of what was found or why not, and the few calls
 * that need restricted methods. A library that is missing is a state to ask for, never an error at class
 * initialization. What is computed with the libraries, and anything about models, does not belong here.
 */
package dev.isthmus.bindings;
