import { answer, api } from "../../api/client";
import { go } from "../../router";
import { Entry } from "../../ui/form";
import { Move, textOf } from "./move";

/** Creates an instance, of a new account or of one that is there. Instances are never changed or deleted. */
export function NewInstance({ close }: { close: () => void }) {
  return (
    <Move
      title="New customer" close={close}
      prepare={async (said) => {
        const body = { accountId: textOf(said, "accountId"), shortName: textOf(said, "shortName") };
        const { total } = await answer(api.GET("/farebox/v1/instances", { params: { query: { accountId: body.accountId, limit: 1 } } }));
        return {
          body, action: "Create the instance",
          changes: [{ of: body.accountId, changes: [{ what: "Instances of the account", before: total, after: total + 1 }, { what: "Short name", before: "–", after: body.shortName }, { what: "Default of its account", before: "–", after: total === 0 ? "yes" : "no" }] }],
          note: <p className="quiet">An instance keeps its account and its name for good, and is not deleted.</p>,
        };
      }}
      make={async (body, key) => {
        const made = await answer(api.POST("/dynamicmonetization/provisioning/api/v1.1/instances", { params: { header: { "Idempotency-Key": key } }, body }));
        go(`/customers/${encodeURIComponent(made.id)}`);
        return `Created the instance ${made.shortName} of ${made.accountId}. Next it needs tokens: sell it a pack, or a line item.`;
      }}
    >
      {(wrong) => (
        <div className="entries">
          <Entry wide label="Account" hint="Your id of the customer. An account may have several instances." {...wrong("accountId")}>{(p) => <input {...p} name="accountId" maxLength={256} autoComplete="off" required autoFocus />}</Entry>
          <Entry wide label="Short name" hint="For people; it need not be unique." {...wrong("shortName")}>{(p) => <input {...p} name="shortName" maxLength={256} autoComplete="off" required />}</Entry>
        </div>
      )}
    </Move>
  );
}
