import { Configuration } from "./operate/configuration";
import { Health } from "./operate/health";
import { Keys } from "./operate/keys";
import { Verify } from "./operate/proof";
import { Webhooks } from "./operate/webhooks";
import "./operate/operate.css";

/** What keeps the server going: how it is, whether its books agree, who may ask, whom it tells, what it runs with. */
export function Operate() {
  return (
    <>
      <h1>Operate</h1>
      <div className="pair"><Health /><Verify /></div>
      <Webhooks />
      <Keys />
      <Configuration />
    </>
  );
}
