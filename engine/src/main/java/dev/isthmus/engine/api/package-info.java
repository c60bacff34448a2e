/**
 * What applications use: models, sessions, generations, the batching executor and the values that they take and give.
 * Every public type says whether it is immutable or how many threads may use it. File formats and arithmetic belong
 * in the packages below; printing, parsing of arguments and HTTP belong outside the library.
 */
package dev.isthmus.engine.api;
