/** The one script of every page. What only some pages need is loaded when its element is there. */
import { relativeTimes } from "./times";

relativeTimes();
