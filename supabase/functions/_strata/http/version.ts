/** The version of Strata these functions belong to. */
export const VERSION = "0.1.0";
